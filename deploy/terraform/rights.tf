# Machines of a job: what Dataflow's workers need in any project, images, and objects.
resource "google_project_iam_member" "worker_dataflow" {
  project = var.project
  role    = "roles/dataflow.worker"
  member  = google_service_account.worker.member
}

resource "google_artifact_registry_repository_iam_member" "worker_images" {
  repository = google_artifact_registry_repository.textbeam.name
  location   = google_artifact_registry_repository.textbeam.location
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.worker.member
}

resource "google_storage_bucket_iam_member" "worker_objects" {
  bucket = google_storage_bucket.textbeam.name
  role   = "roles/storage.objectAdmin"
  member = google_service_account.worker.member
}

resource "google_storage_bucket_iam_member" "worker_input" {
  for_each = var.input_buckets

  bucket = each.value
  role   = "roles/storage.objectViewer"
  member = google_service_account.worker.member
}

# Clients look at a bucket before they read it; objectViewer does not allow that.
resource "google_storage_bucket_iam_member" "worker_input_bucket" {
  for_each = var.input_buckets

  bucket = each.value
  role   = "roles/storage.legacyBucketReader"
  member = google_service_account.worker.member
}

# Builds: logs, images, and the files of templates.
resource "google_project_iam_member" "builder_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.builder.member
}

resource "google_artifact_registry_repository_iam_member" "builder_images" {
  repository = google_artifact_registry_repository.textbeam.name
  location   = google_artifact_registry_repository.textbeam.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.builder.member
}

resource "google_storage_bucket_iam_member" "builder_objects" {
  bucket = google_storage_bucket.textbeam.name
  role   = "roles/storage.objectUser"
  member = google_service_account.builder.member
}

# The schedule: create jobs, read the template, and say as whom the machines work.
resource "google_project_iam_member" "scheduler_jobs" {
  project = var.project
  role    = "roles/dataflow.developer"
  member  = google_service_account.scheduler.member
}

resource "google_storage_bucket_iam_member" "scheduler_template" {
  bucket = google_storage_bucket.textbeam.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.scheduler.member
}

resource "google_service_account_iam_member" "scheduler_worker" {
  service_account_id = google_service_account.worker.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.scheduler.member
}
