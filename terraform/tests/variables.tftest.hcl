# What may be given, and what is made of it. No account is needed: `terraform init -backend=false && terraform test`.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  region      = "eu-west-2"
  alarm_email = "data@example.com"
  package_dir = "./tests/packages"
}

run "what_is_usual_is_taken" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.this["extract"].schedule_expression == "rate(5 minutes)"
    error_message = "The source is polled every five minutes unless something else is said."
  }

  assert {
    condition     = toset(keys(aws_secretsmanager_secret.this)) == toset(["source", "warehouse"])
    error_message = "There is no secret for a key of hashes unless columns are hashed."
  }
}

run "a_minute_is_written_as_aws_writes_it" {
  command = plan

  variables {
    poll_every_minutes = 1
  }

  assert {
    condition     = aws_scheduler_schedule.this["extract"].schedule_expression == "rate(1 minute)"
    error_message = "EventBridge Scheduler knows no rate(1 minutes)."
  }
}

run "hashed_columns_have_a_secret_for_their_key" {
  command = plan

  variables {
    hash_key = true
  }

  assert {
    condition     = contains(keys(aws_secretsmanager_secret.this), "hmac")
    error_message = "There is no secret for the key of hashes."
  }
}

run "names_that_aws_would_refuse" {
  command = plan

  variables {
    name        = "Starlift_"
    region      = "London"
    alarm_email = "nobody"
  }

  expect_failures = [var.name, var.region, var.alarm_email]
}

run "values_that_make_no_pipeline" {
  command = plan

  variables {
    architecture       = "riscv64"
    poll_every_minutes = 20
    reconcile_at       = "rate(1 day)"
    keep_logs_days     = 45
    keep_removed_days  = 0
    network            = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [
    var.architecture, var.poll_every_minutes, var.reconcile_at, var.keep_logs_days, var.keep_removed_days, var.network,
  ]
}
