# An example: a network without a way to the internet, and a warehouse in it. It is a configuration of its own because
# a warehouse outlives a pipeline. `terraform output -raw variables` is what the pipeline has to be told.

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
    tags = { project = "starlift", part = "warehouse" }
  }
}

variable "region" {
  description = "Region of everything, such as eu-west-2."
  type        = string
}

variable "name" {
  description = "First part of every resource's name."
  type        = string
  default     = "starlift"
}

variable "cidr" {
  description = "Addresses of the network: 65,536 that the source's network does not use, if the two are to be peered."
  type        = string
  default     = "10.80.0.0/16"
}

variable "instance_class" {
  description = "Size of the warehouse. db.t4g.small has 2 processors and 2 GB."
  type        = string
  default     = "db.t4g.small"
}

variable "zones" {
  description = "Two availability zones of the region, by their last letter."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(var.zones) == 2
    error_message = "RDS wants subnets in two availability zones."
  }
}
