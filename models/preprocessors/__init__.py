"""Preprocessors: from texts to the inputs of a backbone, and of the tasks upon it."""
