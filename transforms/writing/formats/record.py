"""The output formats: a record for each, with all that tells one from another.

What writes and reads a format is imported when there is a part: the command line needs only names.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transforms.writing.formats.part_format import PartFormat


@dataclass(frozen=True)
class OutputFormat:
    """A format that can be written.

    Attributes:
        name: What `--output_format` calls it.
        extension: What the names of its parts end in.
        part_format: Where its `PartFormat` is, as `module.NAME` of this package.
        title: What messages call it.
        is_text: Whether a part is text: then values of all types need a form as text, and a part
            keeps the names of its columns and not their types.
    """

    name: str
    extension: str
    part_format: str
    title: str
    is_text: bool

    def load(self) -> "PartFormat":
        """Returns what writes and reads the format."""
        module, _, name = self.part_format.partition(".")
        found: PartFormat = getattr(import_module(f"transforms.writing.formats.{module}"), name)
        return found


OUTPUT_FORMATS = {
    record.name: record
    for record in (
        OutputFormat("parquet", ".parquet", "parquet_parts.PARQUET", "Parquet", is_text=False),
        OutputFormat("csv", ".csv", "csv_parts.CSV", "CSV", is_text=True),
        OutputFormat("jsonl", ".jsonl", "jsonl_parts.JSONL", "JSONL", is_text=True),
    )
}
"""The formats by name, in the order in which they are listed."""

DEFAULT_FORMAT = "parquet"
"""The name of the format that is written if none is asked for."""
