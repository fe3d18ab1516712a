# A stage of the pipeline: a function, a role that may do what it needs and nothing else, a log, three alarms.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

locals {
  name = "${var.pipeline}-${var.stage}"

  own_log = {
    WriteLog = {
      actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
      reason    = "Lambda writes the function's log, and with it the metrics, as this role. The :* are the streams of this one log group"
      condition = {}
    }
  }

  own_network = var.network == null ? {} : {
    JoinNetwork = {
      actions   = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
      resources = ["*"]
      reason    = "Lambda puts the function into the subnets as this role. The interfaces have no names before they are there, and EC2 knows no resources for what is described: so any"
      condition = {}
    }
  }

  permissions = merge(var.permissions, local.own_log, local.own_network)
}

resource "aws_iam_role" "this" {
  name        = "${local.name}-stage"
  description = "What the stage ${var.stage} of the pipeline ${var.pipeline} may do"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaOnly"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "stage"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, granted in local.permissions : merge(
        { Sid = sid, Effect = "Allow", Action = granted.actions, Resource = granted.resources },
        length(granted.condition) == 0 ? {} : { Condition = granted.condition },
      )
    ]
  })
}

# Lambda would make it itself, and keep all logs for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.keep_logs_days
}

resource "aws_lambda_function" "this" {
  function_name = local.name
  description   = var.purpose
  role          = aws_iam_role.this.arn

  runtime       = "python3.13"
  architectures = [var.architecture]
  handler       = "starlift.entrypoints.lambdas.${var.stage}"

  s3_bucket        = var.package.bucket
  s3_key           = var.package.key
  source_code_hash = var.package.sha256

  memory_size = var.memory
  timeout     = var.timeout

  environment {
    variables = merge(var.environment, {
      STARLIFT_CONFIG              = "sql/pipeline.toml" # in the zip
      POWERTOOLS_SERVICE_NAME      = var.stage
      POWERTOOLS_METRICS_NAMESPACE = var.pipeline
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
  }

  dynamic "vpc_config" {
    for_each = var.network[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # or Lambda would make the log group before we do, and the function would be refused its network
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

# Nobody waits for the answer of a scheduled invocation, and the next one does the same work: repeating a failed one
# would only stand in its way.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 300
}

module "errors" {
  source = "../alarm"

  name        = "${local.name}-errors"
  description = "The stage ${var.stage} failed. What it had committed stays, and it is tried again."
  runbook     = "${var.alarms.runbook}#errors"
  topic       = var.alarms.topic

  namespace  = "AWS/Lambda"
  metric     = "Errors"
  dimensions = { FunctionName = aws_lambda_function.this.function_name }
  statistic  = "Sum"
  above      = 0
  period     = 300
}

module "throttles" {
  source = "../alarm"

  name        = "${local.name}-throttles"
  description = "AWS did not let the stage ${var.stage} run: the account has no concurrency left."
  runbook     = "${var.alarms.runbook}#throttles"
  topic       = var.alarms.topic

  namespace  = "AWS/Lambda"
  metric     = "Throttles"
  dimensions = { FunctionName = aws_lambda_function.this.function_name }
  statistic  = "Sum"
  above      = 0
  period     = 300
}

module "duration" {
  source = "../alarm"

  name        = "${local.name}-duration"
  description = "The stage ${var.stage} needs more than nine tenths of its ${var.timeout} seconds."
  runbook     = "${var.alarms.runbook}#duration"
  topic       = var.alarms.topic

  namespace  = "AWS/Lambda"
  metric     = "Duration"
  dimensions = { FunctionName = aws_lambda_function.this.function_name }
  statistic  = "Maximum"
  above      = var.timeout * 1000 * 0.9
  period     = 300
}
