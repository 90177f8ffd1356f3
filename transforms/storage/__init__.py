"""Where files are: globs, and one module for each kind of store that is not a local disk."""
