"""The input formats: a record for each, with all that tells one from another.

The reader of a format is imported when there is a file to read: the command line needs only names.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transforms.reading.readers import FormatReader


@dataclass(frozen=True)
class InputFormat:
    """A format that can be read.

    Attributes:
        name: What `--input_format` calls it.
        extensions: What the names of its files end in.
        reader: Where its `FormatReader` is, as `module.NAME` of this package.
        title: What messages call it.
        is_typed: Whether its columns have types, so that a column of numbers is not text.
        may_be_compressed: Whether a file may be compressed as a whole, for example as `.gz`.
        flags: The flags that say how its characters are written, fields of a `Dialect`.
        end: What its files end in, if what names their columns stands at their end.
    """

    name: str
    extensions: tuple[str, ...]
    reader: str
    title: str
    is_typed: bool = False
    may_be_compressed: bool = True
    flags: tuple[str, ...] = ()
    end: bytes = b""

    def load(self) -> "FormatReader":
        """Returns the reader of the format."""
        module, _, name = self.reader.rpartition(".")
        reader: FormatReader = getattr(import_module(f"transforms.reading.formats.{module}"), name)
        return reader


_DELIMITED = ("encoding", "delimiter", "quote")

INPUT_FORMATS = {
    record.name: record
    for record in (
        InputFormat(
            "text", (".txt", ".text", ".log"), "text.TEXT", "plain text", flags=("encoding",)
        ),
        InputFormat(
            "jsonl",
            (".jsonl", ".ndjson", ".json"),
            "jsonl.JSONL",
            "JSON Lines",
            flags=("encoding",),
        ),
        InputFormat("csv", (".csv",), "delimited.reader.CSV", "CSV", flags=_DELIMITED),
        InputFormat("tsv", (".tsv",), "delimited.reader.TSV", "TSV", flags=_DELIMITED),
        InputFormat(
            "parquet",
            (".parquet",),
            "parquet.PARQUET",
            "Parquet",
            is_typed=True,
            may_be_compressed=False,
            end=b"PAR1",
        ),
        InputFormat(
            "avro",
            (".avro",),
            "avro.AVRO",
            "Avro",
            is_typed=True,
            may_be_compressed=False,
        ),
        InputFormat(
            "arrow",
            (".arrow", ".feather", ".arrows"),
            "arrow.ARROW",
            "Arrow",
            is_typed=True,
            may_be_compressed=False,
        ),
    )
}
"""The formats by name, in the order in which they are listed."""

FORMATS = tuple(INPUT_FORMATS)
"""The names of the formats that can be read."""


def format_of_name(name: str) -> InputFormat | None:
    """Returns the format that the extension of a file stands for, or None.

    Args:
        name: Name of the file, without a suffix for its compression.
    """
    for record in INPUT_FORMATS.values():
        if name.lower().endswith(record.extensions):
            return record
    return None
