"""What `python -m pipelines.finetune` is made of."""
