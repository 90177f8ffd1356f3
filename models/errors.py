"""The errors that a user can mend."""


class UserError(ValueError):
    """A mistake in what the user gave; the message says what was wrong and what would be right.

    The command line prints the message alone and exits with code 2.
    """


class PresetError(UserError):
    """A preset that cannot be found, read or trusted."""
