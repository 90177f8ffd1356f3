"""Whether what is asked of a model fits its preset: known before any row is read.

Messages name flags, as the commands have them; `as_arguments` spells them as Python does.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from models.errors import UserError

if TYPE_CHECKING:
    from models.presets.preset import Preset
    from models.windows import LongText

DEFAULT_THRESHOLD = 0.5
"""The score from which on a text has a label, of those that do not exclude each other."""

_FLAG = re.compile(r"(?<![\w-])--([a-z]\w*)")


@contextmanager
def as_arguments() -> Iterator[None]:
    """Spells the flags that messages of `UserError`s name as arguments: `limit` for `--limit`."""
    try:
        yield
    except UserError as error:
        said = _FLAG.sub(r"\1", str(error))
        if said == str(error):
            raise
        raise type(error)(said) from None


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises `UserError` if an argument is none of its choices."""
    if value not in choices:
        raise UserError(f"{name}={value!r} is not one of {', '.join(map(repr, choices))}")


def check_positive(name: str, value: Any) -> None:
    """Raises `UserError` if an argument is neither None nor a positive integer."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise UserError(f"{name} must be a positive integer, not {value!r}")


def check_sequence_length(
    length: int, num_special: int, num_texts: int, long_text: str = "truncate"
) -> None:
    """Raises `UserError` if a length leaves no room for text.

    Args:
        length: Tokens of a row.
        num_special: Special tokens around the texts of a row.
        num_texts: Texts of a row: 1, or 2 for pairs.
        long_text: What becomes of longer texts; a window needs room for each text.
    """
    needed = num_special + (num_texts if long_text == "windows" else 1)
    if length < needed:
        raise UserError(
            f"--sequence_length={length} leaves no room for text beside {num_special} special "
            f"tokens; at least {needed} is needed"
        )


def resolve_length(
    preset: "Preset", sequence_length: int | None, num_texts: int, long_text: "LongText"
) -> int:
    """Returns how many tokens of a text a preset reads at a time.

    Args:
        preset: The preset.
        sequence_length: The length asked for; the preset's own if None.
        num_texts: Texts of a row: 1, or 2 for pairs.
        long_text: What becomes of longer texts.

    Raises:
        UserError: It does not read so many, or there is no room for text.
    """
    length = preset.resolve_length(sequence_length)
    preset.check_texts(num_texts, long_text == "windows")
    check_sequence_length(length, preset.packing.num_special(num_texts), num_texts, long_text)
    return length


def resolve_threshold(
    preset: "Preset", probabilities: bool, top_k: int | None, threshold: float | None
) -> float | None:
    """Returns the score from which on a text has a label; None if it has just one, or a number.

    Args:
        preset: A preset with a classifier.
        probabilities: Whether every label's probability is asked for.
        top_k: How many of the likeliest labels are.
        threshold: The score asked for.

    Raises:
        UserError: The preset gives nothing of the kind.
    """
    labels = preset.labels
    asked = {"probabilities": probabilities, "top_k": top_k, "threshold": threshold is not None}
    for flag in (name for name, value in asked.items() if value):
        if preset.gives_numbers:
            raise UserError(
                f"--{flag} is for presets with labels; preset {preset.name!r} gives texts "
                f"{'a number' if len(labels) == 1 else 'numbers'}"
            )
    if top_k and top_k > len(labels):
        raise UserError(
            f"--top_k={top_k} is more than preset {preset.name!r} has: {len(labels):,} labels"
        )
    if threshold is not None and not preset.is_multi_label:
        raise UserError(
            f"--threshold={threshold:g} is for presets whose labels do not exclude each "
            f"other; preset {preset.name!r} gives each text one label"
        )
    label, count = Counter(labels).most_common(1)[0]
    if count > 1 and (probabilities or preset.gives_numbers):
        way_out = "" if preset.gives_numbers else ", or take --top_k instead of --probabilities"
        raise UserError(
            f"preset {preset.name!r} calls {count} of its outputs {label!r}, and each needs a "
            f"column of its own: name them apart in its {preset.labels_file}{way_out}"
        )
    if not preset.is_multi_label:
        return None
    return DEFAULT_THRESHOLD if threshold is None else threshold
