# What invokes the stages. An event is a nudge: a stage looks for whatever is pending. One that comes twice, late or in
# another order changes nothing, and one that is lost is made up for by the sweep.
#
#   schedule -> extract -> manifest in the ingestion lake -> queue -> transform
#                          manifest in the processed lake -> queue -> load

module "transform_queue" {
  source = "./modules/queue"

  pipeline = var.name
  stage    = "transform"
  bucket   = module.ingestion.name
  keys     = { prefix = "manifests/0" } # manifests have 20 digits; manifests/head is none
  timeout  = local.timeout.transform
  alarms   = local.alarms
}

module "load_queue" {
  source = "./modules/queue"

  pipeline = var.name
  stage    = "load"
  bucket   = module.processed.name
  keys     = { suffix = ".json" } # manifests of any generation, and what makes a rebuilt one the current one
  timeout  = local.timeout.load
  alarms   = local.alarms
}

resource "aws_lambda_event_source_mapping" "nudges" {
  for_each = {
    transform = { queue = module.transform_queue.arn, function = module.transform.function.arn }
    load      = { queue = module.load_queue.arn, function = module.load.function.arn }
  }

  event_source_arn        = each.value.queue
  function_name           = each.value.function
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

locals {
  schedules = {
    extract = {
      does   = "Polls the source"
      when   = var.poll_every_minutes == 1 ? "rate(1 minute)" : "rate(${var.poll_every_minutes} minutes)"
      target = module.extract.function.arn
      input  = { trigger = "schedule" }
      group  = null
    }
    reconcile = {
      does   = "Lists the source's keys, to compare them with the star's"
      when   = var.reconcile_at
      target = module.reconcile.function.arn
      input  = { trigger = "schedule" }
      group  = null
    }
    # the queues take two equal messages within five minutes for one
    sweep-transform = {
      does   = "Has transform look, whatever became of events"
      when   = "rate(10 minutes)"
      target = module.transform_queue.arn
      input  = { trigger = "sweep" }
      group  = module.transform_queue.group
    }
    sweep-load = {
      does   = "Has load look, whatever became of events, and say how fresh the star is"
      when   = "rate(10 minutes)"
      target = module.load_queue.arn
      input  = { trigger = "sweep" }
      group  = module.load_queue.group
    }
  }
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.schedules

  name                = each.key
  group_name          = aws_scheduler_schedule_group.this.name
  description         = each.value.does
  schedule_expression = each.value.when

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.target
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode(each.value.input)

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }

    # by then the next one is due
    retry_policy {
      maximum_event_age_in_seconds = 300
      maximum_retry_attempts       = 5
    }

    dynamic "sqs_parameters" {
      for_each = each.value.group[*]

      content {
        message_group_id = sqs_parameters.value
      }
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}

# Invocations that EventBridge Scheduler gave up. It writes to no queue that is FIFO.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-schedules-dead"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 14 * 86400
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.undelivered.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

module "undelivered" {
  source = "./modules/alarm"

  name        = "${var.name}-schedules-dead-letters"
  description = "A schedule could not invoke its stage, nor in five tries."
  runbook     = "${var.runbook}#schedules"
  topic       = aws_sns_topic.alarms.arn

  namespace  = "AWS/SQS"
  metric     = "ApproximateNumberOfMessagesVisible"
  dimensions = { QueueName = aws_sqs_queue.undelivered.name }
  statistic  = "Maximum"
  above      = 0
  period     = 300
}

resource "aws_iam_role" "scheduler" {
  name        = "${var.name}-scheduler"
  description = "What the schedules of the pipeline ${var.name} may do"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "SchedulesOfThisPipeline"
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = aws_scheduler_schedule_group.this.arn }
      }
    }]
  })
}

locals {
  scheduler_permissions = {
    InvokeStages = {
      actions   = ["lambda:InvokeFunction"]
      resources = [module.extract.function.arn, module.reconcile.function.arn]
      reason    = "The poll every few minutes and the inventory every day"
    }
    SendSweeps = {
      actions   = ["sqs:SendMessage"]
      resources = [module.transform_queue.arn, module.load_queue.arn]
      reason    = "The sweeps, which make up for events that were lost"
    }
    KeepUndelivered = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.undelivered.arn]
      reason    = "What could not be delivered, for a person to see"
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name = "scheduler"
  role = aws_iam_role.scheduler.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, granted in local.scheduler_permissions :
      { Sid = sid, Effect = "Allow", Action = granted.actions, Resource = granted.resources }
    ]
  })
}
