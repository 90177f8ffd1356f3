"""Jobs on Google Cloud Dataflow."""
