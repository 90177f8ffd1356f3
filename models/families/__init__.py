"""The model families: one module for the four classes of each."""
