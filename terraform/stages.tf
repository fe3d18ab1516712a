# The four functions, and what each may do. `terraform output permissions` shows the latter with the reasons, and
# docs/iam.md is made of it. Asking S3 for an object that is not there is answered "denied" to whoever may not list
# the bucket: so whoever may read a lake may list it, and without a prefix, of which a GET has none.

locals {
  environment = {
    STARLIFT_INGESTION = "s3://${module.ingestion.name}"
    STARLIFT_PROCESSED = "s3://${module.processed.name}"
  }

  hash_key = var.hash_key ? { STARLIFT_HMAC_SECRET = aws_secretsmanager_secret.this["hmac"].arn } : {}

  package = {
    for stage, object in aws_s3_object.package : stage => {
      bucket = module.code.name
      key    = object.key
      sha256 = filebase64sha256(local.packages[stage])
    }
  }

  # Seconds. A batch fits into a minute, and a stage that has more to do ends in time and goes on at the next call: so
  # a poll of every five minutes or more is over when the next one begins; of two at once, one loses its race and says
  # so. The load of a table that was read in chunks is one transaction.
  timeout = { extract = max(300, 60 * var.poll_every_minutes), reconcile = 900, transform = 300, load = 900 }

  # what a poll needs, with or without an inventory
  poll_permissions = {
    ReadSecrets = {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = concat([aws_secretsmanager_secret.this["source"].arn], [for name, secret in aws_secretsmanager_secret.this : secret.arn if name == "hmac"])
      reason    = "The source's address, and the key of hashes where columns are hashed"
    }
    DecryptSecrets = local.decrypt_secrets
    ListIngestion = {
      actions   = ["s3:ListBucket"]
      resources = [module.ingestion.arn]
      reason    = "Which requests wait, and which manifest is the newest where the hint is lost; that no next manifest is there yet"
    }
    ReadIngestion = {
      actions   = ["s3:GetObject"]
      resources = [for kind in ["manifests", "requests", "data", "inventory"] : "${module.ingestion.arn}/${kind}/*"]
      reason    = "The state is in the newest manifest; requests say what else to read. An object of rows is read back where S3's answer to writing it was lost"
    }
    WriteIngestion = {
      actions   = ["s3:PutObject"]
      resources = [for kind in ["manifests", "data", "inventory"] : "${module.ingestion.arn}/${kind}/*"]
      reason    = "Rows, lists of keys, and the manifest that commits them"
    }
    AbortUploads = {
      actions   = ["s3:AbortMultipartUpload"]
      resources = [for kind in ["manifests", "data", "inventory"] : "${module.ingestion.arn}/${kind}/*"]
      reason    = "An object of more than 16 MiB goes up in parts, which are removed where one of them fails"
    }
    RemoveAnsweredRequests = {
      actions   = ["s3:DeleteObject"]
      resources = ["${module.ingestion.arn}/requests/*"]
      reason    = "A request is removed once a committed manifest has answered it. Rows and manifests are never removed"
    }
  }

  decrypt_secrets = {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.secrets.arn]
    reason    = "The secrets are encrypted under this key; through Secrets Manager alone"
    condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
  }

  # what Lambda does in the name of a stage that a queue invokes
  take_messages = {
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    reason  = "Lambda takes the queue's messages as this role, and removes them once the stage is done"
  }
}

module "extract" {
  source = "./modules/stage"

  pipeline       = var.name
  stage          = "extract"
  purpose        = "Polls the source and lands what changed in the ingestion lake"
  package        = local.package["extract"]
  architecture   = var.architecture
  memory         = 1024
  timeout        = local.timeout.extract
  environment    = merge(local.environment, local.hash_key, { STARLIFT_SOURCE_SECRET = aws_secretsmanager_secret.this["source"].arn })
  permissions    = local.poll_permissions
  network        = var.network
  keep_logs_days = var.keep_logs_days
  alarms         = local.alarms
}

module "reconcile" {
  source = "./modules/stage"

  pipeline       = var.name
  stage          = "reconcile"
  purpose        = "Polls the source and lists its keys, which the loads that follow compare with the star's"
  package        = local.package["extract"]
  architecture   = var.architecture
  memory         = 1024
  timeout        = local.timeout.reconcile
  environment    = merge(local.environment, local.hash_key, { STARLIFT_SOURCE_SECRET = aws_secretsmanager_secret.this["source"].arn })
  permissions    = local.poll_permissions
  network        = var.network
  keep_logs_days = var.keep_logs_days
  alarms         = local.alarms
}

module "transform" {
  source = "./modules/stage"

  pipeline     = var.name
  stage        = "transform"
  purpose      = "Makes star rows of every batch in the ingestion lake"
  package      = local.package["transform"]
  architecture = var.architecture
  memory       = 1769
  timeout      = local.timeout.transform
  environment  = local.environment

  permissions = {
    ListLakes = {
      actions   = ["s3:ListBucket"]
      resources = [module.ingestion.arn, module.processed.arn]
      reason    = "With which batch the log begins, which manifest is the newest where the hint is lost; that no next manifest is there yet"
    }
    ReadIngestion = {
      actions   = ["s3:GetObject"]
      resources = [for kind in ["manifests", "data", "inventory"] : "${module.ingestion.arn}/${kind}/*"]
      reason    = "The batches that it makes star rows of. Requests are none of its business"
    }
    ReadProcessed = {
      actions   = ["s3:GetObject"]
      resources = ["${module.processed.arn}/*"]
      reason    = "How far it has come, and the current rows of tables that are joined; the objects of a run that died are compared. Any key: a star table is a prefix, and a rebuild puts all under another"
    }
    WriteProcessed = {
      actions   = ["s3:PutObject"]
      resources = ["${module.processed.arn}/*"]
      reason    = "Star rows, and the manifest that commits them. Any key, for the same reason"
    }
    AbortUploads = {
      actions   = ["s3:AbortMultipartUpload"]
      resources = ["${module.processed.arn}/*"]
      reason    = "An object of more than 16 MiB goes up in parts, which are removed where one of them fails"
    }
    TakeMessages = merge(local.take_messages, { resources = [module.transform_queue.arn] })
  }

  network        = var.network
  keep_logs_days = var.keep_logs_days
  alarms         = local.alarms
}

module "load" {
  source = "./modules/stage"

  pipeline     = var.name
  stage        = "load"
  purpose      = "Applies every batch of the processed lake to the warehouse"
  package      = local.package["load"]
  architecture = var.architecture
  memory       = 1024
  timeout      = local.timeout.load
  environment  = merge(local.environment, { STARLIFT_WAREHOUSE_SECRET = aws_secretsmanager_secret.this["warehouse"].arn })

  permissions = {
    ReadSecrets = {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [aws_secretsmanager_secret.this["warehouse"].arn]
      reason    = "The warehouse's address"
    }
    DecryptSecrets = local.decrypt_secrets
    ListProcessed = {
      actions   = ["s3:ListBucket"]
      resources = [module.processed.arn]
      reason    = "With which batch the log begins, which manifest is the newest where the hint is lost; that no next manifest is there yet"
    }
    ReadProcessed = {
      actions   = ["s3:GetObject"]
      resources = ["${module.processed.arn}/*"]
      reason    = "The batches that it applies. Any key: a star table is a prefix, and a rebuild puts all under another"
    }
    AskExtract = {
      actions   = ["s3:PutObject"]
      resources = ["${module.ingestion.arn}/requests/*"]
      reason    = "What it asks of the next poll, such as the keys of a table whose count differs. It reads nothing in this lake and writes nothing else"
    }
    TakeMessages = merge(local.take_messages, { resources = [module.load_queue.arn] })
  }

  network        = var.network
  keep_logs_days = var.keep_logs_days
  alarms         = local.alarms
}
