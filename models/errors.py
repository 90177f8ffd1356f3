"""Errors that a user can fix, and the hints that they give for an unknown name."""

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Returns the choice that an unknown name probably stands for, if one is close enough."""
    return next(iter(difflib.get_close_matches(name, list(choices), n=1)), None)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Returns a sentence that names the nearest choice and ends in a space, or an empty string."""
    found = nearest(name, choices)
    return "" if found is None else f"did you mean {found!r}? "


def quoted(names: Iterable[str]) -> str:
    """Returns names as a message lists them: quoted and separated by commas."""
    return ", ".join(map(repr, names))


def alternatives(names: Sequence[str]) -> str:
    """Returns names of which one is meant: quoted, with `or` before the last."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


class UserError(ValueError):
    """A mistake in what the user gave; the message says what was wrong and what would be right.

    The command line prints the message alone and exits with code 2.
    """


class MistakesError(UserError):
    """Mistakes that were found together, each of which a line is printed of.

    Attributes:
        mistakes: Their messages.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


class PresetError(UserError):
    """A preset that cannot be found, read or trusted."""


class RunError(RuntimeError):
    """Work that failed through no mistake of the user's; the message says why.

    The command line prints the message alone and exits with code 1.
    """


class Advice(UserWarning):
    """What a user may want to do otherwise, though the work is done; the message says what."""
