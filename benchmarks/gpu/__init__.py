"""Speed on a GPU; see `benchmarks/gpu/__main__.py`."""
