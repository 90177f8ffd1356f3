"""Keras Hub's tests that do not pass here, and why: what docs/keras_hub.md lists."""

DIFFERENCES: dict[str, str] = {}
"""The reason by the module and name of the test."""
