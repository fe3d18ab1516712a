# Once for an account and a region: the bucket that Terraform keeps its state in. Its own state stays in this folder,
# and may be lost: `terraform import module.state.aws_s3_bucket.this NAME` finds the bucket again.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "starlift" }
  }
}

variable "region" {
  description = "Region of the bucket, such as eu-west-2."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write a region as AWS names it, such as eu-west-2."
  }
}

data "aws_caller_identity" "this" {}

module "state" {
  source = "../modules/bucket"

  name              = "starlift-state-${data.aws_caller_identity.this.account_id}-${var.region}"
  keep_removed_days = 365
}

output "backend" {
  description = "What to write to terraform/backend.hcl."
  value       = <<-TEXT
    bucket = "${module.state.name}"
    region = "${var.region}"
  TEXT
}
