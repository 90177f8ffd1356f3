"""Benchmarks behind what the README says about speed and memory; each module runs by itself."""
