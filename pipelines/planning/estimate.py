"""From a sample to the whole corpus: rows, tokens and work, each with an interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.planning.counting import Counts, TokenCounter
from pipelines.planning.sample import Sample

_TOKENIZED_BYTES = 3 << 20  # of text: a second or two of work
_RESAMPLED = 400  # times, for intervals
_SEED = 0
_WITHIN = 1.96  # standard deviations: 19 in 20
_GROUPS = 64  # of rows, where what is not known is only how they are tokenized


_NUMBERS = ("rows", "rejected", "tokens", "truncated", "computed", "squares", "text_bytes")


class Estimate(NamedTuple):
    """A number, and half of the width of the interval in which it is 19 times in 20."""

    value: float
    error: float

    def times(self, factor: float) -> "Estimate":
        """Returns the estimate of a multiple."""
        return Estimate(self.value * factor, self.error * factor)


@dataclass(frozen=True)
class Lengths:
    """How long rows are.

    Attributes:
        edges: The longest row of each class, in tokens; each is longer than that of the class
            before.
        shares: The share of the rows that each class has.
        median: Half of the rows have at most so many tokens.
        most: 95% of them.
        longest: Tokens of the longest that was seen.
    """

    edges: Sequence[int]
    shares: Sequence[float]
    median: int
    most: int
    longest: int


@dataclass(frozen=True)
class CorpusEstimate:
    """What a run over a corpus would count and compute.

    Attributes:
        rows: Rows, rejected ones included.
        rejected: Rows that are rejected when they are read.
        tokens: Tokens of the others, special ones included, before anything is cut.
        truncated: The share of them that is cut.
        computed: Tokens that the model reads.
        squares: The sum of the squares of the lengths of what it reads.
        text_bytes: Bytes of their texts.
        lengths: How long they are.
        tokenized: How many rows of the sample were tokenized.
    """

    rows: Estimate
    rejected: Estimate
    tokens: Estimate
    truncated: Estimate
    computed: Estimate
    squares: Estimate
    text_bytes: Estimate
    lengths: Lengths
    tokenized: int


@dataclass(frozen=True)
class _Tokenized:
    """The rows of a sample that were tokenized: arrays `[rows]`."""

    counts: Counts
    text_bytes: np.ndarray
    weights: np.ndarray  # rows that each stands for, within its cluster
    clusters: np.ndarray


def estimate(sample: Sample, counter: TokenCounter, sequence_length: int) -> CorpusEstimate:
    """Estimates what a run over a corpus would count.

    Args:
        sample: Rows of the corpus.
        counter: Counts their tokens.
        sequence_length: Tokens of a row, which an edge of the histogram is.
    """
    tokenized, is_all = _tokenize(sample, counter)
    sizes = np.array([max(cluster.stored_bytes, 1.0) for cluster in sample.clusters] or [1.0])
    weights = np.array([cluster.weight for cluster in sample.clusters] or [1.0])
    read = np.array(
        [
            [sum(getattr(piece, name) for piece in cluster.pieces) for cluster in sample.clusters]
            or [0]
            for name in ("rows", "rejected", "text_bytes")
        ],
        float,
    )
    per_row = np.array(
        [
            np.ones(len(tokenized.weights)),
            tokenized.counts.tokens,
            tokenized.counts.computed,
            tokenized.counts.squares,
            tokenized.counts.truncated,
            tokenized.text_bytes,
        ],
        float,
    )
    if sample.is_whole:
        # Only how rows are tokenized is not known of all of them.
        totals = read.sum(axis=1)
        group = np.arange(len(tokenized.weights)) % _GROUPS
        sums = _summed(per_row * tokenized.weights, group, _GROUPS)
        draws = np.ones(_GROUPS)

        def known(drawn: np.ndarray) -> np.ndarray:
            return _totals(totals, sums @ drawn)

        return _with_intervals(
            known, draws, 0 if is_all else _RESAMPLED, tokenized, sequence_length
        )
    read /= sizes
    sums = _summed(per_row * tokenized.weights, tokenized.clusters, len(sizes)) / sizes

    def scaled(drawn: np.ndarray) -> np.ndarray:
        means = read @ drawn / drawn.sum()
        scale = float(sample.size)
        if sample.num_rows is not None and means[0]:
            scale = sample.num_rows / means[0]
        return _totals(means * scale, sums @ drawn)

    shared = tokenized.weights * (weights / sizes)[tokenized.clusters]
    weighed = _Tokenized(tokenized.counts, tokenized.text_bytes, shared, tokenized.clusters)
    return _with_intervals(scaled, weights, _RESAMPLED, weighed, sequence_length)


def _totals(read: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Returns the numbers of a corpus.

    Args:
        read: Rows, rejected rows and bytes of text, of the corpus.
        sums: Of tokenized rows their number, tokens, computed tokens, squares, truncated rows and
            bytes of text, all in one unit.

    Returns:
        Those of `_NUMBERS`.
    """
    rows, rejected, text_bytes = read
    good = rows - rejected
    count, tokens, computed, squares, truncated, length = sums
    each = good / count if count else 0.0
    # Texts of which no byte is known have special tokens only.
    all_tokens = text_bytes * tokens / length if length else each * tokens
    return np.array(
        [
            rows,
            rejected,
            all_tokens,
            truncated / count if count else 0.0,
            each * computed,
            each * squares,
            text_bytes,
        ]
    )


def _with_intervals(
    numbers: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
    times: int,
    tokenized: _Tokenized,
    sequence_length: int,
) -> CorpusEstimate:
    """Returns the numbers of a corpus, and how much they change from one sample to another."""
    values = numbers(weights)
    errors = np.zeros(len(values))
    if times and len(weights) > 1:
        generator = np.random.default_rng(_SEED)
        draws = generator.multinomial(
            max(round(weights.sum()), 2), weights / weights.sum(), size=times
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            others = np.array([numbers(drawn.astype(float)) for drawn in draws])
        errors = _WITHIN * np.nanstd(others, axis=0)
    found = {
        name: Estimate(float(value), float(error))
        for name, value, error in zip(_NUMBERS, values, errors, strict=True)
    }
    lengths = _lengths(tokenized, sequence_length)
    return CorpusEstimate(**found, lengths=lengths, tokenized=len(tokenized.weights))


def _summed(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Returns the sums of values `[kinds, rows]` by group, `[kinds, count]`."""
    return np.array([np.bincount(groups, row, minlength=count) for row in values])


def _tokenize(sample: Sample, counter: TokenCounter) -> tuple[_Tokenized, bool]:
    """Tokenizes rows from all over a sample; returns whether these were all."""
    pieces = [
        (number, piece)
        for number, cluster in enumerate(sample.clusters)
        for piece in cluster.pieces
        if piece.texts and len(piece.texts[0])
    ]
    if not pieces:
        nothing = np.zeros(0, np.int64)
        counts = Counts(nothing, nothing, nothing, nothing)
        return _Tokenized(counts, nothing, nothing, nothing), True
    texts = [
        pa.concat_arrays([piece.texts[column] for _, piece in pieces])
        for column in range(len(pieces[0][1].texts))
    ]
    repeats = [len(piece.texts[0]) for _, piece in pieces]
    weights = np.repeat([piece.weight for _, piece in pieces], repeats)
    clusters = np.repeat([number for number, _ in pieces], repeats)
    lengths = sum(pc.binary_length(text).to_numpy().astype(np.int64) for text in texts)
    taken = sum(
        np.minimum(pc.utf8_length(text).to_numpy(), counter.most_characters) for text in texts
    )
    stride = max(1, -(-int(np.sum(taken)) // _TOKENIZED_BYTES))
    rows = np.arange(len(weights))[stride // 2 :: stride]
    counts = counter.count([text.take(pa.array(rows)) for text in texts])
    is_all = stride == 1 and bool((weights == 1).all())
    return _Tokenized(counts, lengths[rows], weights[rows], clusters[rows]), is_all


def _lengths(tokenized: _Tokenized, sequence_length: int) -> Lengths:
    tokens, weights = tokenized.counts.tokens, tokenized.weights
    if not len(tokens):
        return Lengths([], [], 0, 0, 0)
    order = np.argsort(tokens, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    median, most = (
        int(tokens[order[min(int(np.searchsorted(reached, share)), len(order) - 1)]])
        for share in (0.5, 0.95)
    )
    longest = int(tokens.max())
    edges = _edges(longest, sequence_length)
    shares = np.bincount(np.searchsorted(edges, tokens), weights, minlength=len(edges))
    first = int(np.argmax(shares > 0))
    shares = shares / weights.sum()
    return Lengths(edges[first:], shares[first:].tolist(), median, most, longest)


def _edges(longest: int, sequence_length: int) -> list[int]:
    """Returns the longest rows of classes, each twice as long as the last; one is what fits."""
    edges = {sequence_length} if longest > sequence_length else set()
    edge = 4
    while edge < longest:
        edges.add(edge)
        edge *= 2
    edges.add(edge)
    return sorted(edges)
