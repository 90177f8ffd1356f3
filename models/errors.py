"""The errors that a user can mend."""


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
