"""Errors that the user of a transform can fix."""

from models.errors import UserError


class InputError(UserError):
    """An input that cannot be read as asked: no such file, column or format."""


class OutputError(UserError):
    """An output folder that cannot be written to, or that already holds something."""
