"""The commands: each module here runs as `python -m pipelines.NAME`."""

__version__ = "0.1.0"
