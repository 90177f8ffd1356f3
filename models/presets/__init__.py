"""Presets: their formats on disk, their names and their weights."""
