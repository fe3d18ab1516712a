output "next_steps" {
  description = "What to do after the first deployment, in this order."
  value       = <<-TEXT
    1. Confirm the mail that AWS has sent to ${var.alarm_email}, or no alarm reaches anybody.
    2. Put the addresses in:
         aws secretsmanager put-secret-value --region ${var.region} --secret-id ${var.name}/source --secret-string file://source.json
         aws secretsmanager put-secret-value --region ${var.region} --secret-id ${var.name}/warehouse --secret-string file://warehouse.json
    3. Create the star, from a machine that reaches the warehouse:
         STARLIFT_WAREHOUSE_SECRET=${var.name}/warehouse starlift migrate
    4. Poll now instead of within ${var.poll_every_minutes} minutes:
         aws lambda invoke --region ${var.region} --function-name ${module.extract.function.name} /dev/stdout
    5. See it arrive: ${local.dashboard_url}
  TEXT
}

output "environment" {
  description = "For `starlift status`, `starlift quarantine` and all other commands, on a machine that reaches the databases: write these lines to .env."
  value = join("\n", concat([
    "AWS_DEFAULT_REGION=${var.region}",
    "STARLIFT_INGESTION=s3://${module.ingestion.name}",
    "STARLIFT_PROCESSED=s3://${module.processed.name}",
    "STARLIFT_SOURCE_SECRET=${var.name}/source",
    "STARLIFT_WAREHOUSE_SECRET=${var.name}/warehouse",
  ], var.hash_key ? ["STARLIFT_HMAC_SECRET=${var.name}/hmac"] : []))
}

output "dashboard" {
  description = "How the pipeline does, in the browser."
  value       = local.dashboard_url
}

output "permissions" {
  description = "What each role may do, by statement, and why."
  sensitive   = true # it is no secret: two hundred lines after each deployment would hide the next steps
  value = {
    extract   = module.extract.permissions
    reconcile = module.reconcile.permissions
    transform = module.transform.permissions
    load      = module.load.permissions
    scheduler = local.scheduler_permissions
  }
}
