"""What `pipelines.search` does with a result of vectors."""
