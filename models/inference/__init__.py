"""The predictor, and what it compiles and remembers."""
