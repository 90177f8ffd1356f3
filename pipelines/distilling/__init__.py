"""Teaching a small model what a large one answers: `python -m pipelines.finetune --teacher=…`."""
