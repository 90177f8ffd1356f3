"""Training a WordPiece vocabulary on a corpus."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import BertWordPieceTokenizer

from models.tokenizers.library import MAX_TOKEN_BYTES

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# Maximum number of characters that can begin a word, and of those that can continue one.
_ALPHABET = 1000


def train_wordpiece(texts: Iterable[str], size: int, lowercase: bool) -> list[str]:
    """Returns a vocabulary for BERT, the special tokens first.

    Args:
        texts: The corpus.
        size: Maximum number of tokens, unless the characters of the corpus alone are more; a small
            corpus gives fewer.
        lowercase: Whether texts are lowercased and stripped of accents.
    """
    trainer = BertWordPieceTokenizer(lowercase=lowercase, strip_accents=lowercase)
    texts = list(texts)
    trainer.train_from_iterator(
        texts,
        vocab_size=size,
        min_frequency=2,
        limit_alphabet=_ALPHABET,
        # The trainer numbers the continuing characters in an order that changes from run to run and
        # that decides between equally frequent tokens, so they are numbered beforehand.
        special_tokens=[*SPECIAL_TOKENS, *_continuing_characters(trainer, texts)],
        show_progress=False,
    )
    ids = trainer.get_vocab()
    # The trainer may learn longer ones, which tensorflow-text cannot match.
    spellable = [token for token in ids if len(token.encode()) <= MAX_TOKEN_BYTES]
    return sorted(spellable, key=ids.__getitem__)


def _continuing_characters(trainer: BertWordPieceTokenizer, texts: Sequence[str]) -> list[str]:
    """Returns the tokens of single characters that continue a word."""
    counts: Counter[str] = Counter()
    for text in texts:
        normalized = trainer.normalizer.normalize_str(text)
        for word, _ in trainer.pre_tokenizer.pre_tokenize_str(normalized):
            counts.update(word[1:])
    return [f"##{character}" for character in sorted(dict(counts.most_common(_ALPHABET)))]
