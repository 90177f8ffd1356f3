"""The parts of `python -m pipelines.finetune`."""
