variable "project" {
  description = "Id of the project in which everything is made."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is an id of 6 to 30 small letters, digits and hyphens, such as my-project."
  }
}

variable "region" {
  description = "Where jobs run, images are kept and, unless bucket_location says otherwise, the bucket is: reading across regions costs money and time."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is the name of a region, such as us-central1; it is no zone."
  }
}

variable "bucket" {
  description = "Name of the bucket to make, for results, templates and temporary files."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is a name of 3 to 63 small letters, digits, hyphens, dots and underscores, without gs://."
  }
}

variable "bucket_location" {
  description = "Location of the bucket; null for the region."
  type        = string
  default     = null
}

variable "temporary_days" {
  description = "After how many days what jobs and builds have staged is deleted: more than the longest job takes."
  type        = number
  default     = 30

  validation {
    condition     = var.temporary_days >= 7 && floor(var.temporary_days) == var.temporary_days
    error_message = "temporary_days is a whole number of at least 7 days: a job needs its files until it ends."
  }
}

variable "input_buckets" {
  description = "Names of other buckets that jobs may read."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.input_buckets : !startswith(name, "gs://")])
    error_message = "input_buckets are names, without gs://."
  }
}

variable "template" {
  description = "The template to launch by the schedule, gs://…/templates/classify-TAG.json; null for no schedule, as before the first build."
  type        = string
  default     = null

  validation {
    condition     = var.template == null || can(regex("^gs://[^/]+/.+\\.json$", var.template))
    error_message = "template is a file of a build, such as gs://my-bucket/templates/classify-1.json."
  }
}

variable "parameters" {
  description = "Parameters of the template: input and output at least. if_exists is update, whatever is said here."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.parameters) == 0 || alltrue([for name in ["input", "output"] : startswith(lookup(var.parameters, name, ""), "gs://")])
    error_message = "parameters has input and output, both gs://…."
  }
}

variable "schedule" {
  description = "When to launch, as cron writes it."
  type        = string
  default     = "5 * * * *"

  validation {
    condition     = length(split(" ", var.schedule)) == 5
    error_message = "schedule has five fields, such as \"5 * * * *\" for five past every hour."
  }
}

variable "time_zone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "Etc/UTC"
}

variable "job_name" {
  description = "Name of the scheduled jobs: Dataflow runs one of a name at a time."
  type        = string
  default     = "textbeam-update"

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", var.job_name))
    error_message = "job_name has up to 63 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "max_workers" {
  description = "Most machines of a scheduled job: what bounds its cost an hour."
  type        = number
  default     = 4

  validation {
    condition     = var.max_workers >= 1 && floor(var.max_workers) == var.max_workers
    error_message = "max_workers is a whole number of at least 1."
  }
}

variable "machine_type" {
  description = "Machines of a scheduled job; null for Dataflow's choice."
  type        = string
  default     = null
}

variable "subnetwork" {
  description = "Subnetwork of the machines, regions/REGION/subnetworks/NAME, which needs Private Google Access; null for the default network and public addresses."
  type        = string
  default     = null

  validation {
    condition     = var.subnetwork == null || can(regex("(^|/)regions/[^/]+/subnetworks/[^/]+$", var.subnetwork))
    error_message = "subnetwork is regions/REGION/subnetworks/NAME."
  }
}
