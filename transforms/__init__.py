"""Beam PTransforms that read, tokenize, classify and write record batches of text."""
