# Who is told, and of what. The stages and queues have alarms of their own, in their modules; these are about the data.

locals {
  alarms = { topic = aws_sns_topic.alarms.arn, runbook = var.runbook }
}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# Load says at every invocation how old the star is, and a sweep invokes it every ten minutes. Where it says nothing for
# half an hour, nobody knows: that is as bad.
module "freshness" {
  source = "./modules/alarm"

  name        = "${var.name}-freshness"
  description = "The star is more than half an hour behind the source, or nobody has said how far for half an hour."
  runbook     = "${var.runbook}#freshness"
  topic       = aws_sns_topic.alarms.arn

  namespace  = var.name
  metric     = "FreshnessSeconds"
  dimensions = { service = "load" }
  statistic  = "Maximum"
  above      = 1800
  period     = 1800
  silence    = "breaching"
}

locals {
  # what waits for a person; the stage that counts it runs at least every half hour
  waiting = {
    quarantine     = { service = "load", metric = "QuarantinedRows", says = "Rows wait in quarantine: the star lacks them, or has their older version." }
    held-batches   = { service = "load", metric = "HeldBatches", says = "A batch would delete or refuse more rows than it may unasked: it and all after it wait for a person." }
    held-transform = { service = "transform", metric = "HeldBatches", says = "A batch has more rows for the quarantine than it may have unasked: it and all after it wait for a person." }
    differing      = { service = "load", metric = "DifferingRows", says = "The daily inventory has found rows that had changed without any poll having told." }
    held-tables    = { service = "extract", metric = "HeldTables", says = "A table of the source has changed in a way that needs a decision: it is not read, the others are." }
    drift          = { service = "extract", metric = "DriftedTables", says = "A table of the source is not what pipeline.toml says, such as a column that no list names." }
  }
}

module "waiting" {
  source   = "./modules/alarm"
  for_each = local.waiting

  name        = "${var.name}-${each.key}"
  description = each.value.says
  runbook     = "${var.runbook}#${replace(each.key, "held-transform", "held-batches")}"
  topic       = aws_sns_topic.alarms.arn

  namespace  = var.name
  metric     = each.value.metric
  dimensions = { service = each.value.service }
  statistic  = "Maximum"
  above      = 0
  period     = 1800
}
