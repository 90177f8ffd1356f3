"""Jobs on Google Cloud Dataflow: checked before they are submitted, and watched from then on."""
