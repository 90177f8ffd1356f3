"""Tests of models/. TensorFlow is imported here, so that its banner is not in their output."""

from models.inference import runtime

with runtime.quiet_stderr():
    import tensorflow  # noqa: F401  (for its banner)
