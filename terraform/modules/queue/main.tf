# Events of a bucket on their way to the stage that they nudge: a rule, a queue in order, a dead-letter queue.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "pipeline" {
  description = "Name of the pipeline."
  type        = string
}

variable "stage" {
  description = "The stage that is nudged."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket whose new objects nudge it."
  type        = string
}

variable "keys" {
  description = "Which keys do: a filter of EventBridge, such as { prefix = \"manifests/0\" }."
  type        = map(string)
}

variable "timeout" {
  description = "Seconds that the stage may take."
  type        = number
}

variable "alarms" {
  description = "The topic that alarms go to, and where the runbook is."
  type        = object({ topic = string, runbook = string })
}

locals {
  name  = "${var.pipeline}-${var.stage}"
  group = "batches" # one group: batches are worked on one after another

  only_over_tls = {
    Sid       = "OnlyOverTls"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sqs_queue" "this" {
  name       = "${local.name}.fifo"
  fifo_queue = true

  # two events of one second are two messages: what differs in the body is another message
  content_based_deduplication = true
  sqs_managed_sse_enabled     = true
  message_retention_seconds   = 4 * 86400

  # A message that failed keeps the others of its group waiting until it is visible again. AWS's advice of six times
  # the stage's own limit would leave the star stale for ninety minutes after one lost connection.
  visibility_timeout_seconds = var.timeout + 60

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    # a first load returns its message whenever the time is up, so few tries would not do; one of hours ends in the
    # dead-letter queue all the same, and the sweep goes on with it
    maxReceiveCount = 10
  })
}

resource "aws_sqs_queue" "dead" {
  name                    = "${local.name}-dead.fifo"
  fifo_queue              = true
  sqs_managed_sse_enabled = true

  message_retention_seconds = 14 * 86400
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventsOfTheLake"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.this.arn } }
      },
      merge(local.only_over_tls, { Resource = aws_sqs_queue.this.arn }),
    ]
  })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.only_over_tls, { Resource = aws_sqs_queue.dead.arn })]
  })
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = "${local.name}-nudge"
  description = "A batch is committed: ${var.stage} has something to do"

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [var.keys] }
    }
  })
}

# What EventBridge cannot deliver in a day is lost. The sweep finds the batch all the same.
resource "aws_cloudwatch_event_target" "this" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "queue"
  arn       = aws_sqs_queue.this.arn

  sqs_target {
    message_group_id = local.group
  }
}

module "oldest" {
  source = "../alarm"

  name        = "${local.name}-oldest-message"
  description = "A message has waited more than half an hour for the stage ${var.stage}, which does not get done."
  runbook     = "${var.alarms.runbook}#oldest-message"
  topic       = var.alarms.topic

  namespace  = "AWS/SQS"
  metric     = "ApproximateAgeOfOldestMessage"
  dimensions = { QueueName = aws_sqs_queue.this.name }
  statistic  = "Maximum"
  above      = 1800
  period     = 300
}

module "dead_letters" {
  source = "../alarm"

  name        = "${local.name}-dead-letters"
  description = "The stage ${var.stage} has failed ten times on a message."
  runbook     = "${var.alarms.runbook}#dead-letters"
  topic       = var.alarms.topic

  namespace  = "AWS/SQS"
  metric     = "ApproximateNumberOfMessagesVisible"
  dimensions = { QueueName = aws_sqs_queue.dead.name }
  statistic  = "Maximum"
  above      = 0
  period     = 300
}

output "arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.this.arn
}

output "name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.this.name
}

output "url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.this.url
}

output "group" {
  description = "The one message group."
  value       = local.group
}

output "dead" {
  description = "The dead-letter queue."
  value       = { name = aws_sqs_queue.dead.name, url = aws_sqs_queue.dead.url, arn = aws_sqs_queue.dead.arn }
}

output "alarms" {
  description = "ARNs of the alarms."
  value       = [module.oldest.arn, module.dead_letters.arn]
}
