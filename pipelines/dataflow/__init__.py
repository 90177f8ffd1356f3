"""Jobs on Google Cloud Dataflow: what becomes of a run once it is elsewhere."""
