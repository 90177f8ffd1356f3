"""Reading corpora: files, units of files, and one module for each input format."""
