"""Lengths that rows are padded to where every shape is compiled."""

from collections.abc import Sequence

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths that XLA compiles for, in tokens; a shorter row is padded to the next of them.

Apart from 16 and 32, each is at most half as long again as the one before, so that little of a row
is padding; more lengths would cost more compilations.
"""


def length_ladder(sequence_length: int) -> tuple[int, ...]:
    """Returns the lengths to pad rows to when every shape is compiled, shortest first.

    Args:
        sequence_length: The length that texts are truncated to: the last of the ladder.
    """
    return (*(length for length in LENGTHS if length < sequence_length), sequence_length)


def padded_length(length: int, ladder: Sequence[int]) -> int:
    """Returns the length that a row is padded to: the next one of a ladder, if there is one."""
    return next((step for step in ladder if step >= length), length)
