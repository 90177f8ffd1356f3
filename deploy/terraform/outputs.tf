output "worker" {
  description = "Account of a job's machines, for --service_account_email."
  value       = google_service_account.worker.email
}

output "build" {
  description = "Builds images and templates, from the root of the repository; put a tag in place of TAG."
  value       = "gcloud builds submit --project=${var.project} --region=${var.region} --config=deploy/cloudbuild.yaml --service-account=${google_service_account.builder.id} --gcs-source-staging-dir=gs://${var.bucket}/source --substitutions=_BUCKET=${var.bucket},_REPOSITORY=${local.repository},_TAG=TAG"
}

output "image" {
  description = "Image for --sdk_container_image; put the tag in place of TAG."
  value       = "${local.repository}/textbeam:TAG"
}
