"""Transforms for a pipeline of one's own, over whatever rows it has."""
