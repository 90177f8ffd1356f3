locals {
  services = [
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "dataflow.googleapis.com",
  ]
}

resource "google_project_service" "used" {
  for_each = toset(local.services)

  service            = each.value
  disable_on_destroy = false
}

resource "google_storage_bucket" "textbeam" {
  name                        = var.bucket
  location                    = coalesce(var.bucket_location, var.region)
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # The rest of tmp/ may be in use for longer: presets that many jobs read.
  lifecycle_rule {
    condition {
      age            = var.temporary_days
      matches_prefix = ["staging/", "source/", "tmp/template_launches/"]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }
}

resource "google_artifact_registry_repository" "textbeam" {
  repository_id = "textbeam"
  location      = var.region
  format        = "DOCKER"
  description   = "Images of Textbeam: workers and launchers."

  docker_config {
    immutable_tags = true
  }

  depends_on = [google_project_service.used]
}

# Of a job: the machine that launches it, and its workers.
resource "google_service_account" "worker" {
  account_id   = "textbeam-worker"
  display_name = "Textbeam: machines of jobs"
}

resource "google_service_account" "builder" {
  account_id   = "textbeam-builder"
  display_name = "Textbeam: builds of images and templates"
}

resource "google_service_account" "scheduler" {
  account_id   = "textbeam-scheduler"
  display_name = "Textbeam: launches by the schedule"
}
