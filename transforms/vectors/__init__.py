"""Results with vectors, read again a block at a time: nearest rows, near duplicates."""
