"""Training: its settings, its batches, its course and the judgement of what it made."""
