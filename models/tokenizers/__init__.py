"""WordPiece, byte pairs and Unigram, and the vocabularies behind them."""
