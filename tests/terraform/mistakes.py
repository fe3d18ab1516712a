"""Mistakes to plant in a configuration, each with what the laws must say of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """An edit of a file, and a regular expression of what is to be reported. old: is in the file once."""

    name: str
    file: str
    old: str
    new: str
    reported: str


_STAGE, _QUEUE = "modules/stage/main.tf", "modules/queue/main.tf"
_BUCKET, _ALARM = "modules/bucket/main.tf", "modules/alarm/main.tf"

BREAK_A_LAW = (
    Mistake(
        "public bucket",
        _BUCKET,
        "block_public_policy     = true",
        "block_public_policy     = false",
        r"aws_s3_bucket\S+ may be made public",
    ),
    Mistake(
        "no TLS policy",
        "events.tf",
        'Action    = "sqs:*"',
        'Action    = "sqs:SendMessage"',
        r"aws_sqs_queue.undelivered is reached without TLS",
    ),
    Mistake(
        "a TLS policy of the bucket without its objects",
        _BUCKET,
        'Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]',
        "Resource  = [aws_s3_bucket.this.arn]",
        r"aws_s3_bucket\S+ is reached without TLS",
    ),
    Mistake(
        "wildcard action",
        "stages.tf",
        'actions   = ["kms:Decrypt"]',
        'actions   = ["kms:*"]',
        r"grants the wildcard action kms:\*",
    ),
    Mistake(
        "wildcard resource",
        "events.tf",
        "resources = [module.extract.function.arn, module.reconcile.function.arn]",
        'resources = ["*"]',
        r"scheduler InvokeStages is about any resource",
    ),
    Mistake(
        "a load that may write all of the ingestion lake",
        "stages.tf",
        'resources = ["${module.ingestion.arn}/requests/*"]\n      reason    = "What it asks',
        'resources = ["${module.ingestion.arn}/*"]\n      reason    = "What it asks',
        r"load may s3:PutObject (manifests|data|inventory)/\S+ of STARLIFT_INGESTION",
    ),
    Mistake(
        "a role that anybody may assume",
        _STAGE,
        'Principal = { Service = "lambda.amazonaws.com" }',
        'Principal = { AWS = "*" }',
        r"aws_iam_role.this may be assumed by",
    ),
    Mistake(
        "wrong queue policy",
        _QUEUE,
        'ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.this.arn }',
        'ArnLike = { "aws:SourceArn" = "arn:aws:events:*:*:rule/*" }',
        r"aws_sqs_queue.this lets in others than its rule",
    ),
    Mistake(
        "missing dead-letter queue",
        _QUEUE,
        "deadLetterTargetArn = aws_sqs_queue.dead.arn",
        'deadLetterTargetArn = "arn:aws:sqs:eu-west-2:123456789012:elsewhere"',
        r"aws_sqs_queue.this has no dead-letter queue",
    ),
    Mistake(
        "freshness whose missing data is not breaching",
        "alarms.tf",
        'silence    = "breaching"',
        'silence    = "notBreaching"',
        r"freshness\S+ takes silence for freshness",
    ),
    Mistake(
        "freshness after an hour",
        "alarms.tf",
        "above      = 1800",
        "above      = 3600",
        r"freshness\S+ does not go off after half an hour",
    ),
    Mistake(
        "unencrypted secret",
        "secrets.tf",
        "kms_key_id              = aws_kms_key.secrets.arn",
        "kms_key_id              = null",
        r"aws_secretsmanager_secret\S+ is not encrypted",
    ),
    Mistake(
        "a secret in the state",
        "secrets.tf",
        "# What the functions need",
        'resource "aws_secretsmanager_secret_version" "x" {\n  secret_id     = aws_secretsmanager_secret.this'
        '["source"].id\n  secret_string = "x"\n}\n# What the functions need',
        r"secret_version.x puts a secret into the state",
    ),
    Mistake(
        "a password among the environment variables",
        "stages.tf",
        "{ STARLIFT_WAREHOUSE_SECRET =",
        '{ STARLIFT_WAREHOUSE_URL = "postgresql://u:p@h/d", STARLIFT_WAREHOUSE_SECRET =',
        r"module.load\S+ is told STARLIFT_WAREHOUSE_URL",
    ),
    Mistake(
        "wrong handler name",
        _STAGE,
        '"starlift.entrypoints.lambdas.${var.stage}"',
        '"starlift.entrypoints.lambda.${var.stage}"',
        r"aws_lambda_function.this has the handler starlift.entrypoints.lambda\.",
    ),
    Mistake(
        "another stage's package",
        "stages.tf",
        'purpose      = "Applies every batch of the processed lake to the warehouse"\n'
        '  package      = local.package["load"]',
        'purpose      = "Applies every batch of the processed lake to the warehouse"\n'
        '  package      = local.package["extract"]',
        r"module.load\S+ has the package extract/",
    ),
    Mistake(
        "another Python",
        _STAGE,
        '"python3.13"',
        '"python3.12"',
        r"runs on python3.12",
    ),
    Mistake(
        "logs for ever",
        _STAGE,
        "retention_in_days = var.keep_logs_days",
        "retention_in_days = 0",
        r"keeps logs for ever",
    ),
    Mistake(
        "messages shown again while they are worked on",
        _QUEUE,
        "var.timeout + 60",
        "var.timeout / 2",
        r"shows a message again while its function works on it",
    ),
    Mistake(
        "batches out of order",
        _QUEUE,
        "content_based_deduplication = true",
        "content_based_deduplication = false",
        r"does not send in order",
    ),
    Mistake(
        "an unencrypted queue",
        "events.tf",
        "sqs_managed_sse_enabled   = true",
        "sqs_managed_sse_enabled   = false",
        r"aws_sqs_queue.undelivered is not encrypted",
    ),
    Mistake(
        "a rule that matches no manifest",
        "events.tf",
        'prefix = "manifests/0"',
        'prefix = "manifest/0"',
        r"transform_queue\S+ misses a batch",
    ),
    Mistake(
        "a rule that matches every object",
        "events.tf",
        'suffix = ".json"',
        'prefix = ""',
        r"load_queue\S+ nudges load for nothing",
    ),
    Mistake(
        "a bucket that tells nobody",
        _BUCKET,
        "count = var.events ? 1 : 0",
        "count = 0",
        r"hears nothing of the bucket",
    ),
    Mistake(
        "a schedule whose role may not do it",
        "events.tf",
        "resources = [module.transform_queue.arn, module.load_queue.arn]",
        "resources = [module.transform_queue.arn]",
        r'\["sweep-load"\] may not invoke its target',
    ),
    Mistake(
        "a payload that no handler knows",
        "events.tf",
        'input  = { trigger = "sweep" }\n      group  = module.load_queue.group',
        'input  = { tigger = "sweep" }\n      group  = module.load_queue.group',
        r'\["sweep-load"\] says what no handler understands',
    ),
    Mistake(
        "no versions",
        _BUCKET,
        'status = "Enabled"\n  }\n}',
        'status = "Suspended"\n  }\n}',
        r"aws_s3_bucket\S+ has no versions",
    ),
    Mistake(
        "current versions that expire",
        _BUCKET,
        "expired_object_delete_marker = true",
        "days = 365",
        r"expires current versions",
    ),
    Mistake(
        "alarms that nobody hears",
        _ALARM,
        "ok_actions        = [var.topic]",
        "ok_actions        = []",
        r"tells nobody \(ok_actions\)",
    ),
    Mistake(
        "alarms that do not say where to read on",
        _ALARM,
        '"${var.description} ${var.runbook}"',
        "var.description",
        r"names no paragraph of the runbook",
    ),
    Mistake(
        "an alarm about a metric that there is not",
        "alarms.tf",
        'metric = "DriftedTables"',
        'metric = "DriftTables"',
        r"nobody is told of DriftedTables of extract",
    ),
    Mistake(
        "a limit in seconds where there are milliseconds",
        _STAGE,
        "var.timeout * 1000 * 0.9",
        "var.timeout * 0.9",
        r"goes off at 0% of the limit",
    ),
    Mistake(
        "an alarm that the dashboard leaves out",
        "dashboard.tf",
        "    [module.undelivered.arn],\n",
        "",
        r"aws_cloudwatch_dashboard.this shows \d+ of \d+ alarms",
    ),
    Mistake(
        "no tags",
        "versions.tf",
        '{ project = "starlift"',
        '{ projekt = "starlift"',
        r"has no tag project",
    ),
)

REFUSED = (
    Mistake(
        "a dead-letter queue that schedules cannot write to",
        "events.tf",
        "arn = aws_sqs_queue.undelivered.arn\n    }",
        "arn = module.load_queue.dead.arn\n    }",
        r"starlift-load-dead.fifo' does not match arn:aws",
    ),
    Mistake(
        "a rate of AWS's other grammar",
        "events.tf",
        '? "rate(1 minute)" : "rate(${var.poll_every_minutes} minutes)"',
        '? "rate(1 minute)" : "rate(${var.poll_every_minutes} minute)"',
        r"rate\(5 minute\)' is no rate",
    ),
    Mistake(
        "a statistic that CloudWatch has not",
        "alarms.tf",
        'statistic  = "Maximum"\n  above      = 1800',
        'statistic  = "Max"\n  above      = 1800',
        r"'Max' is not one of",
    ),
)
"""What no plan is made of, because AWS would refuse it."""

UNKNOWN = (
    Mistake(
        "an argument that the provider has not",
        "alarms.tf",
        'protocol  = "email"',
        'protocol  = "email"\n  confirmed = true',
        r'An argument named "confirmed" is not expected here',
    ),
)
"""What does not fit the provider's schema."""

EXAMPLE = "examples/private-network-with-rds"
_WAREHOUSE, _NETWORK = "warehouse.tf", "network.tf"

IN_THE_EXAMPLE = (
    Mistake(
        "an unencrypted warehouse",
        _WAREHOUSE,
        "storage_encrypted     = true",
        "storage_encrypted     = false",
        "warehouse is not encrypted",
    ),
    Mistake(
        "a public warehouse",
        _WAREHOUSE,
        "publicly_accessible    = false",
        "publicly_accessible    = true",
        "warehouse has a public address",
    ),
    Mistake(
        "TLS left to the client",
        _WAREHOUSE,
        'name  = "rds.force_ssl"\n    value = "1"',
        'name  = "rds.force_ssl"\n    value = "0"',
        "warehouse is reached without TLS",
    ),
    Mistake(
        "no backups",
        _WAREHOUSE,
        "backup_retention_period   = 14",
        "backup_retention_period   = 0",
        "warehouse keeps backups for too short a time",
    ),
    Mistake(
        "a warehouse that is easily deleted",
        _WAREHOUSE,
        "deletion_protection       = true",
        "deletion_protection       = false",
        "warehouse can be deleted by mistake",
    ),
    Mistake(
        "a password in the state",
        _WAREHOUSE,
        "manage_master_user_password = true # RDS makes",
        'password = "known to many" # RDS makes',
        "warehouse has its password in the state",
    ),
    Mistake(
        "a warehouse open to all the world",
        _NETWORK,
        'aws_security_group.stages.id\n  description                  = "PostgreSQL, from',
        'null\n  cidr_ipv4 = "0.0.0.0/0"\n  description                  = "PostgreSQL, from',
        "warehouse_from_stages is about all the world",
    ),
    Mistake(
        "an endpoint that has another name",
        _NETWORK,
        "private_dns_enabled = true",
        "private_dns_enabled = false",
        "Secrets Manager is not reached by its own name",
    ),
    Mistake(
        "S3 through an interface, which costs by the hour",
        _NETWORK,
        'vpc_endpoint_type = "Gateway"',
        'vpc_endpoint_type = "Interface"',
        "S3 is not reached through a gateway",
    ),
    Mistake(
        "subnets with public addresses",
        _NETWORK,
        'tags = { Name = "${var.name}-private-${each.key}" }',
        "map_public_ip_on_launch = true",
        "private.* gives public addresses",
    ),
)
"""Of the network and the warehouse that are an example."""
