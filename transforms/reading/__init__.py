"""Reading corpora: files, units of them, and one module for each input format."""
