"""What each compute precision costs and gives: `python -m benchmarks.precision`."""
