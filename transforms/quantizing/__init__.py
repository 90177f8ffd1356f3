"""Vectors of bytes and bits in place of floats, and where the ranges of bytes come from."""
