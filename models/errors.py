"""The errors that a user can mend, and what they say of a name that nobody knows."""

import difflib
from collections.abc import Iterable


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Returns the choice that an unknown name was probably meant for, if one is near enough."""
    return next(iter(difflib.get_close_matches(name, list(choices), n=1)), None)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Returns a sentence that names the nearest choice and ends in a space, or nothing."""
    found = nearest(name, choices)
    return "" if found is None else f"did you mean {found!r}? "


def quoted(names: Iterable[str]) -> str:
    """Returns names as a message lists them: in quotation marks, with commas between them."""
    return ", ".join(map(repr, names))


class UserError(ValueError):
    """A mistake in what the user gave; the message says what was wrong and what would be right.

    The command line prints the message alone and exits with code 2.
    """


class PresetError(UserError):
    """A preset that cannot be found, read or trusted."""


class RunError(RuntimeError):
    """Work that failed for a reason that is no mistake of the user's, which the message says.

    The command line prints the message alone and exits with code 1.
    """
