"""Training: its settings, its batches, its loop and state, and the evaluation of its results."""
