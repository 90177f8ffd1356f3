"""Training a WordPiece vocabulary on a corpus."""

from collections.abc import Iterable

from tokenizers import BertWordPieceTokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_wordpiece(texts: Iterable[str], size: int, lowercase: bool) -> list[str]:
    """Returns a vocabulary for BERT, the special tokens first.

    Args:
        texts: The corpus.
        size: Tokens at most; a small corpus gives fewer.
        lowercase: Whether texts are lowercased and stripped of accents.
    """
    trainer = BertWordPieceTokenizer(lowercase=lowercase, strip_accents=lowercase)
    trainer.train_from_iterator(
        texts,
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    ids = trainer.get_vocab()
    return sorted(ids, key=ids.__getitem__)
