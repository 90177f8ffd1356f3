"""Pages to look at: one HTML file about a result, which needs no network."""
