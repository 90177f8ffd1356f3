"""Writing results: parts, their publishing, and the manifest."""
