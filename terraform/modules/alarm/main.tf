# An alarm that goes to the topic, and whose mail says where to read on.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "name" {
  description = "Name of the alarm, the mail's subject."
  type        = string
}

variable "description" {
  description = "What has happened, in a sentence or two."
  type        = string
}

variable "runbook" {
  description = "The paragraph of the runbook."
  type        = string
}

variable "topic" {
  description = "ARN of the topic that is told."
  type        = string
}

variable "namespace" {
  description = "Namespace of the metric."
  type        = string
}

variable "metric" {
  description = "Name of the metric."
  type        = string
}

variable "dimensions" {
  description = "Dimensions of the metric."
  type        = map(string)
}

variable "statistic" {
  description = "Sum or Maximum."
  type        = string
}

variable "above" {
  description = "The alarm goes off above this."
  type        = number
}

variable "period" {
  description = "Seconds that are looked at."
  type        = number
}

variable "silence" {
  description = "What it means when there is no value at all: notBreaching (all is well) or breaching (nothing works any more)."
  type        = string
  default     = "notBreaching"

  validation {
    condition     = contains(["notBreaching", "breaching"], var.silence)
    error_message = "Write notBreaching or breaching."
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name        = var.name
  alarm_description = "${var.description} ${var.runbook}"
  alarm_actions     = [var.topic]
  ok_actions        = [var.topic]

  namespace   = var.namespace
  metric_name = var.metric
  dimensions  = var.dimensions
  statistic   = var.statistic
  period      = var.period

  comparison_operator = "GreaterThanThreshold"
  threshold           = var.above
  evaluation_periods  = 1
  treat_missing_data  = var.silence
}

output "arn" {
  description = "ARN of the alarm."
  value       = aws_cloudwatch_metric_alarm.this.arn
}
