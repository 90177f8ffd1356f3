# What a launch asks for; of variables alone, so that it can be looked at without a project:
# https://cloud.google.com/dataflow/docs/reference/rest/v1b3/projects.locations.flexTemplates/launch
locals {
  worker     = "textbeam-worker@${var.project}.iam.gserviceaccount.com"
  repository = "${var.region}-docker.pkg.dev/${var.project}/textbeam"

  environment = {
    for name, value in {
      serviceAccountEmail = local.worker
      tempLocation        = "gs://${var.bucket}/tmp"
      stagingLocation     = "gs://${var.bucket}/staging"
      maxWorkers          = var.max_workers
      machineType         = var.machine_type
      subnetwork          = var.subnetwork
      ipConfiguration     = var.subnetwork == null ? null : "WORKER_IP_PRIVATE"
    } : name => value if value != null
  }

  launch = {
    launchParameter = {
      jobName              = var.job_name
      containerSpecGcsPath = var.template
      parameters           = merge(var.parameters, { if_exists = "update" })
      environment          = local.environment
    }
  }
}
