"""Small models that begin with parts of larger ones: some layers, some tokens, less width."""
