output "function" {
  description = "Name and ARN of the function."
  value       = { name = aws_lambda_function.this.function_name, arn = aws_lambda_function.this.arn, timeout = var.timeout }
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "permissions" {
  description = "What the role may do, by statement, and why."
  value       = local.permissions
}

output "alarms" {
  description = "ARNs of the alarms."
  value       = [module.errors.arn, module.throttles.arn, module.duration.arn]
}
