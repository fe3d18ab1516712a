# What every file here refers to. Read buckets.tf, stages.tf, events.tf, alarms.tf in that order.

data "aws_caller_identity" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id

  # bucket names are shared by everybody in the world
  bucket_suffix = "${local.account}-${var.region}"
}
