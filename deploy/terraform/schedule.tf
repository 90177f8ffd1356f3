resource "google_cloud_scheduler_job" "update" {
  count = var.template == null ? 0 : 1

  name             = var.job_name
  region           = var.region
  description      = "Brings a result of Textbeam up to date."
  schedule         = var.schedule
  time_zone        = var.time_zone
  attempt_deadline = "180s"

  # The next hour is the next try: an update goes on where the last one ended.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = "https://dataflow.googleapis.com/v1b3/projects/${var.project}/locations/${var.region}/flexTemplates:launch"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode(local.launch))

    oauth_token {
      service_account_email = google_service_account.scheduler.email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  depends_on = [
    google_project_iam_member.scheduler_jobs,
    google_project_service.used,
    google_service_account_iam_member.scheduler_worker,
    google_storage_bucket_iam_member.scheduler_template,
  ]

  lifecycle {
    precondition {
      condition     = length(var.parameters) > 0
      error_message = "A template needs parameters: input and output at least."
    }
  }
}
