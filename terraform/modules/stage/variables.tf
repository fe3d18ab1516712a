variable "pipeline" {
  description = "Name of the pipeline: the first part of the function's name, and the namespace of its metrics."
  type        = string
}

variable "stage" {
  description = "Name of the stage: the second part of the function's name, and the handler in starlift.entrypoints.lambdas."
  type        = string
}

variable "purpose" {
  description = "What the stage does, in a line."
  type        = string
}

variable "package" {
  description = "The zip in the code bucket, and its SHA-256 in base64, by which a change of it is seen."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "memory" {
  description = "Memory in MB. A function has one processor from 1769 on, and below its share of one."
  type        = number
}

variable "timeout" {
  description = "Seconds until AWS ends the function. It ends by itself twenty seconds before, between two batches."
  type        = number
}

variable "environment" {
  description = "Environment variables beside those that every stage has."
  type        = map(string)
}

variable "permissions" {
  description = "What the stage may do, by statement, and why. That it may write its log is said in the module."
  type = map(object({
    actions   = list(string)
    resources = list(string)
    reason    = string
    condition = optional(map(map(string)), {})
  }))

  validation {
    condition     = alltrue([for sid, granted in var.permissions : can(regex("^[A-Za-z0-9]+$", sid)) && length(granted.reason) > 20])
    error_message = "A statement is named by letters and digits, and says why it is needed."
  }
}

variable "network" {
  description = "Subnets and security groups, null for a function outside of any network."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
}

variable "keep_logs_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "alarms" {
  description = "The topic that alarms go to, and where the runbook is."
  type        = object({ topic = string, runbook = string })
}
