terraform {
  required_version = ">= 1.10" # state locks in S3 itself

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # bucket and region come from backend.hcl, which bootstrap/ writes
  backend "s3" {
    key          = "starlift/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ project = "starlift", pipeline = var.name }, var.tags)
  }
}
