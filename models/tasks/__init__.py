"""The models that take texts and are trained or asked for one thing: labels or vectors."""
