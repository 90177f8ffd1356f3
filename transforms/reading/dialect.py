"""How the characters of a file are written: its encoding and, of CSV, what parts its fields."""

from dataclasses import dataclass

UTF_8 = "utf-8"

_SPOKEN = {"\t": "tab", " ": "space", ",": "comma", ";": "semicolon"}


@dataclass(frozen=True)
class Dialect:
    """What a user said, or what was found out, about the characters of a file.

    Attributes:
        encoding: Python's name of the encoding; None if nothing is known yet.
        delimiter: The character between two fields; None if not known, or the format has none.
        quote: The character around a field that holds delimiters or newlines; empty if there is
            none, and None as above.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None

    def over(self, other: "Dialect") -> "Dialect":
        """Returns this dialect, with what it leaves open from another one."""
        return Dialect(
            other.encoding if self.encoding is None else self.encoding,
            other.delimiter if self.delimiter is None else self.delimiter,
            other.quote if self.quote is None else self.quote,
        )

    def as_json(self) -> dict[str, str]:
        """Returns what is known, by the names of the flags."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def is_usual(self) -> bool:
        """Whether it is what one expects: UTF-8, and commas with double quotes, or tabs."""
        marks = (self.delimiter, self.quote)
        return self.encoding == UTF_8 and marks in ((None, None), (",", '"'), ("\t", ""))

    def __str__(self) -> str:
        """Says in words what is known."""
        said = [] if self.encoding is None else [self.encoding]
        if self.delimiter is not None:
            said.append(f"fields parted by {spoken(self.delimiter)}")
        if self.quote is not None:
            said.append(f"quoted with {self.quote}" if self.quote else "without quotes")
        return ", ".join(said)


UNKNOWN = Dialect()
"""Nothing is known."""


def spoken(character: str) -> str:
    """Returns a delimiter in words."""
    return _SPOKEN.get(character, repr(character))
