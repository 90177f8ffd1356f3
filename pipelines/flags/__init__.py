"""The flags of the commands, and what their values may be."""
