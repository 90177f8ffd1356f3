"""What backs the README's sentences about speed and memory; each module runs by itself."""
