"""Beam PTransforms that read, tokenize, classify or embed, and write record batches of text."""
