# What the functions need to know and nobody else may. Terraform makes the secrets and never sees their values:
# docs/deploying.md says how to put them in.

# A key of our own, so that whoever may read secrets still needs this key, and every use of it is in CloudTrail.
resource "aws_kms_key" "secrets" {
  description             = "Encrypts the database addresses of the pipeline ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  # the account's own policies say who may use it: here, the stages' roles
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RolesOfThisAccount"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "secrets" {
  name          = "alias/${var.name}-secrets"
  target_key_id = aws_kms_key.secrets.key_id
}

locals {
  secrets = merge(
    {
      source    = "Address of the source, for the stages extract and reconcile"
      warehouse = "Address of the warehouse, for the stage load"
    },
    var.hash_key ? { hmac = "Key of the hashes of columns under hmac, for the stages extract and reconcile" } : {},
  )
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = aws_kms_key.secrets.arn
  recovery_window_in_days = 7
}
