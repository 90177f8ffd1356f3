"""What the user of a transform can mend."""

from models.errors import UserError


class InputError(UserError):
    """An input that cannot be read as asked: no such file, column or format."""


class OutputError(UserError):
    """An output folder that cannot be written, or that holds something already."""
