"""The model families: one module for the classes of each."""
