"""The files with weights in a preset, each format read without anything in it that could run."""
