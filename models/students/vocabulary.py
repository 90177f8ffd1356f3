"""Cutting a vocabulary to what a corpus needs.

Of a model with 30,000 tokens of 384 numbers, half of the weights are embeddings, and of one with
250,000 tokens two thirds and more; a corpus uses a part of them.
"""

import base64
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from models.errors import UserError
from models.tokenizers.library import META
from models.tokenizers.tokenizer import Tokenizer
from models.tokenizers.unigram import NORMAL, cut_model, merges_pairs, pieces_of

_BATCH = 10_000
_UNUSED = re.compile(r"\[unused\d+\]")  # what BERT's vocabularies leave room with
# Characters that any text may have; those of other alphabets are kept where they are used.
_PLAIN = frozenset(map(chr, range(128))) | {META}


def cut_vocabulary(
    tokenizer: Tokenizer, texts: Sequence[str], size: int | None = None
) -> tuple[Tokenizer, np.ndarray]:
    """Returns a tokenizer with fewer tokens, first those of a corpus, and their ids in the old one.

    The corpus's texts get the same tokens as before where all that they use are kept; rarer words
    are spelled with shorter tokens. Special tokens stay, and single characters of ASCII and of the
    corpus, so that other texts can still be spelled.

    Args:
        tokenizer: With a vocabulary of the kinds that presets store.
        texts: The corpus.
        size: Tokens to keep, the most frequent ones and then others in their order, so that other
            texts are not spelled letter by letter; those that are used if `None`.

    Returns:
        The new tokenizer, and int64 `[tokens]`, the old id of each new one.

    Raises:
        UserError: The tokenizer is of another kind, or `size` has no place for what must stay.
    """
    if tokenizer.kind not in _KINDS:
        raise UserError(
            "the vocabulary of this preset's tokenizer cannot be cut: leave out vocabulary_size"
        )
    needed, cut = _KINDS[tokenizer.kind]
    tokens = tokenizer.get_vocabulary()
    counts = _counts(tokenizer, texts, len(tokens))
    config = tokenizer.get_config()
    fixed = _fixed(tokenizer, config)
    used = _PLAIN.union(*(tokens[index] for index in np.flatnonzero(counts)))
    kept = {
        index
        for index, token in enumerate(tokens)
        if token in fixed or _is_character(tokenizer, token, used)
    }
    if size is not None and size < len(kept):
        raise UserError(
            f"vocabulary_size={size} is too small: special tokens and single characters are "
            f"{len(kept):,}"
        )
    parts = needed(config, tokens)
    for index in np.argsort(-counts, kind="stable").tolist():
        is_done = len(kept) >= size if size is not None else not counts[index]
        if is_done:
            break
        if not counts[index] and _UNUSED.fullmatch(tokens[index]):
            continue
        new = parts(index) - kept
        if size is None or len(kept) + len(new) <= size:
            kept |= new
    ids = np.array(sorted(kept))
    return type(tokenizer).from_config(cut(config, tokens, ids)), ids


def _counts(tokenizer: Tokenizer, texts: Sequence[str], num_tokens: int) -> np.ndarray:
    """Returns how often a corpus has each token, int64 `[tokens]`."""
    counts = np.zeros(num_tokens, np.int64)
    for start in range(0, len(texts), _BATCH):
        ids = tokenizer.encode(texts[start : start + _BATCH]).ids
        counts += np.bincount(ids[(ids >= 0) & (ids < num_tokens)], minlength=num_tokens)
    return counts


def _fixed(tokenizer: Tokenizer, config: dict[str, Any]) -> set[str]:
    """Returns the tokens that a tokenizer is not without, whether or not a corpus has them."""
    fixed = {*tokenizer.special_tokens, *config.get("unsplittable_tokens", ())}
    if tokenizer.kind == "sentence_piece":
        pieces = pieces_of(base64.b64decode(config["proto"]))
        fixed |= {text for text, _, kind in pieces if kind != NORMAL}
    return fixed


def _is_character(tokenizer: Tokenizer, token: str, used: Container[str]) -> bool:
    """Returns whether a token is a single character that texts may need."""
    character = token.removeprefix("##") if tokenizer.kind == "wordpiece" else token
    if len(character) != 1:
        return False
    # The characters of a byte-level vocabulary stand for the bytes.
    return tokenizer.kind == "byte_pair" or character in used


def _itself(config: dict[str, Any], tokens: Sequence[str]) -> Callable[[int], set[int]]:
    """Returns the function that says what else must be kept for a token: nothing."""
    return lambda index: {index}


def _merged(config: dict[str, Any], tokens: Sequence[str]) -> Callable[[int], set[int]]:
    """Returns the function that says which tokens a token is merged from, itself among them."""
    ids: dict[str, int] = config["vocabulary"]
    halves: dict[str, set[str]] = defaultdict(set)
    for merge in config["merges"]:
        first, _, second = merge.partition(" ")
        halves[first + second] |= {first, second}

    def parts(index: int) -> set[int]:
        found, open_ = set(), {tokens[index]}
        while open_:
            found |= open_
            open_ = {half for token in open_ for half in halves.get(token, ())} - found
        return {ids[token] for token in found}

    return parts


def _spelled(config: dict[str, Any], tokens: Sequence[str]) -> Callable[[int], set[int]]:
    """Returns the function that says which pieces a piece is merged from, itself among them."""
    if not merges_pairs(base64.b64decode(config["proto"])):
        return _itself(config, tokens)
    ids = {token: index for index, token in enumerate(tokens)}

    def parts(index: int) -> set[int]:
        token = tokens[index]
        spans = itertools.combinations(range(len(token) + 1), 2)
        return {ids[part] for start, end in spans if (part := token[start:end]) in ids}

    return parts


def _cut_words(config: dict[str, Any], tokens: Sequence[str], ids: np.ndarray) -> dict[str, Any]:
    return {**config, "vocabulary": [tokens[index] for index in ids]}


def _cut_merges(config: dict[str, Any], tokens: Sequence[str], ids: np.ndarray) -> dict[str, Any]:
    vocabulary = {tokens[index]: new for new, index in enumerate(ids.tolist())}

    def is_kept(merge: str) -> bool:
        first, _, second = merge.partition(" ")
        return {first, second, first + second} <= vocabulary.keys()

    merges = [merge for merge in config["merges"] if is_kept(merge)]
    return {**config, "vocabulary": vocabulary, "merges": merges}


def _cut_pieces(config: dict[str, Any], tokens: Sequence[str], ids: np.ndarray) -> dict[str, Any]:
    model = base64.b64decode(config["proto"])
    kept = {tokens[index] for index in ids}
    return {**config, "proto": base64.b64encode(cut_model(model, kept)).decode()}


_KINDS = {
    "wordpiece": (_itself, _cut_words),
    "byte_pair": (_merged, _cut_merges),
    "sentence_piece": (_spelled, _cut_pieces),
}
