"""Errors that the user of a transform can fix, and those of a run."""

from models.errors import RunError, UserError


class InputError(UserError):
    """An input that cannot be read as asked: no such file, column or format."""


class OutputError(UserError):
    """An output folder that cannot be written to, or that already holds something."""


class WriteError(RunError):
    """Results that could not be written or published; what is done of a run is kept."""
