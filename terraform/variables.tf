variable "region" {
  description = "Region of everything, such as eu-west-2: where source and warehouse are."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write a region as AWS names it, such as eu-west-2."
  }
}

variable "alarm_email" {
  description = "Who is told when something is wrong. AWS sends a mail that has to be confirmed first."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alarm_email))
    error_message = "Write an e-mail address, such as data@example.com."
  }
}

variable "name" {
  description = "First part of every resource's name, and the namespace of the metrics. Two pipelines in one account have two names."
  type        = string
  default     = "starlift"

  validation {
    # bucket names have 63 characters at most; this one is followed by kind, account and region
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Write 3 to 20 lower-case letters, digits and hyphens, the first a letter, the last no hyphen."
  }
}

variable "package_dir" {
  description = "Folder with the zips that `make package` builds."
  type        = string
  default     = "../dist/lambda"
}

variable "architecture" {
  description = "What the functions run on: arm64 costs a fifth less than x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "poll_every_minutes" {
  description = "Minutes between two polls of the source."
  type        = number
  default     = 5

  validation {
    # the alarm on a stale star fires after 30
    condition     = var.poll_every_minutes >= 1 && var.poll_every_minutes <= 15 && floor(var.poll_every_minutes) == var.poll_every_minutes
    error_message = "Write whole minutes from 1 to 15: the star is called stale after 30."
  }
}

variable "reconcile_at" {
  description = "When all keys of the source are compared with the star's, each day: a cron expression of EventBridge Scheduler, in UTC."
  type        = string
  default     = "cron(40 3 * * ? *)"

  validation {
    condition     = can(regex("^cron\\(([^ ]+ ){5}[^ ]+\\)$", var.reconcile_at))
    error_message = "Write a cron expression with six fields, such as cron(40 3 * * ? *)."
  }
}

variable "network" {
  description = "Subnets and security groups of the functions, where source or warehouse are in a private network. examples/private-network-with-rds makes one."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) >= 2 && length(var.network.security_group_ids) >= 1
    error_message = "Name two subnets, in two availability zones, and a security group."
  }
}

variable "hash_key" {
  description = "Whether pipeline.toml has columns under `hmac`: then there is a secret for the key of their hashes."
  type        = bool
  default     = false
}

variable "keep_logs_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.keep_logs_days)
    error_message = "CloudWatch keeps logs for 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

variable "keep_removed_days" {
  description = "Days that an object which was removed or replaced can still be restored. Erasing a person's data takes as long."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_removed_days >= 1 && var.keep_removed_days <= 365
    error_message = "Write 1 to 365 days."
  }
}

variable "destroy_data" {
  description = "Whether `make destroy` may remove lakes that hold objects. Without the ingestion lake no star can be made again."
  type        = bool
  default     = false
}

variable "runbook" {
  description = "Where the runbook is, as the alarms' mails name it: a path in the repository, or an address on the web."
  type        = string
  default     = "docs/runbook.md"
}

variable "tags" {
  description = "More tags for every resource, such as a cost centre."
  type        = map(string)
  default     = {}
}
