"""How typed files store their rows: what must be known of one before a library may decode it."""
