module "ingestion" {
  source = "./modules/bucket"

  name              = "${var.name}-ingestion-${local.bucket_suffix}"
  keep_removed_days = var.keep_removed_days
  force_destroy     = var.destroy_data
  events            = true
}

module "processed" {
  source = "./modules/bucket"

  name              = "${var.name}-processed-${local.bucket_suffix}"
  keep_removed_days = var.keep_removed_days
  force_destroy     = var.destroy_data
  events            = true
}

# nothing in it that `make package` cannot make again
module "code" {
  source = "./modules/bucket"

  name              = "${var.name}-code-${local.bucket_suffix}"
  keep_removed_days = var.keep_removed_days
  force_destroy     = true
}

locals {
  packages = {
    for stage in ["extract", "transform", "load"] : stage => "${var.package_dir}/${stage}-${var.architecture}.zip"
  }
}

resource "aws_s3_object" "package" {
  for_each = local.packages

  bucket = module.code.name
  key    = "${each.key}/${filesha256(each.value)}.zip" # another zip has another key: a function is never half new
  source = each.value

  lifecycle {
    create_before_destroy = true
  }
}
