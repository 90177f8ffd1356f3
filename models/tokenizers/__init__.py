"""WordPiece, byte-pair and Unigram tokenizers, and the vocabularies behind them."""
