"""A result that is read for a page: its manifest, and a sample of its rows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from models.errors import UserError
from pipelines.reporting.shown import visible
from pipelines.reports.sampling import ROWS, Sample, sample_rows
from transforms.rejected import REJECTED, REJECTED_AS_TEXT
from transforms.schemas import POSITION, SOURCE
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.manifest import (
    check_version,
    format_of,
    load_manifest,
    schema_in,
    text_columns_in,
)

_REJECTED_ROWS = 2_000

_OF_TOKENS = ("num_tokens", "truncated")
_WITHOUT_OTHERS = frozenset({"classify"})  # whose pages show no other columns of the input


@dataclass(frozen=True)
class Result:
    """What a page is made of.

    Attributes:
        output: The folder, as the user wrote it.
        manifest: Its manifest.
        sample: Rows of it, with the columns that the command added, the text columns, `source`,
            `position` and, but for labels, the input's columns of single values.
        rejected: Rejected rows of it, with `source`, `position`, `raw`, `stage` and `error`.
    """

    output: str
    manifest: Mapping[str, Any]
    sample: Sample
    rejected: Sample

    @property
    def rows(self) -> pa.Table:
        """The sampled rows."""
        return self.sample.rows

    @property
    def model(self) -> Mapping[str, Any]:
        """What the manifest says about the model."""
        found: Mapping[str, Any] = self.manifest["model"]
        return found

    @property
    def text_columns(self) -> list[str]:
        """The names of the columns with the texts; two of pairs."""
        return text_columns_in(self.manifest)


def read_result(output: str, commands: Sequence[str], rows: int = ROWS) -> Result:
    """Reads what a page shows of a result; the same result gives the same sample.

    Args:
        output: The folder, local or in a bucket, in any output format.
        commands: The commands whose results there are pages about.
        rows: How many rows to read at most.

    Raises:
        UserError: There is no result, or it is of no such command.
        OutputError: Another version of this program wrote it, or it cannot be read.
    """
    folder = open_folder(output)
    with storage_errors(f"read {output}"):
        manifest = load_manifest(folder)
        if manifest is None:
            raise UserError(
                f"{visible(output)} holds no result: give the --output folder of a run that has "
                "finished"
            )
        check_version(manifest, visible(output))
        if manifest.get("command") not in commands:
            raise UserError(
                f"{visible(output)} holds no results of {' or '.join(commands)}, of which reports "
                "are made"
            )
        schema, part_format = schema_in(manifest), format_of(manifest)
        wanted = _wanted(schema, manifest)
        rejected = REJECTED_AS_TEXT if part_format.is_text else REJECTED
        seed = _seed(manifest["parts"])
        return Result(
            output,
            manifest,
            sample_rows(folder, part_format, manifest["parts"], wanted, rows, seed),
            sample_rows(
                *(folder, part_format, manifest["rejected_parts"]),
                *(pa.schema(list(rejected)), _REJECTED_ROWS, seed),
            ),
        )


def _wanted(schema: pa.Schema, manifest: Mapping[str, Any]) -> pa.Schema:
    """Returns the columns that a page may show."""
    named = {
        *(SOURCE.name, POSITION.name, *_OF_TOKENS, *text_columns_in(manifest)),
        *manifest["settings"].get("adds", {}),
    }
    has_others = manifest.get("command") not in _WITHOUT_OTHERS
    return pa.schema(
        [
            field
            for field in schema
            if field.name in named or (has_others and not pa.types.is_nested(field.type))
        ]
    )


def _seed(parts: Sequence[Mapping[str, Any]]) -> int:
    """Returns a number that is the same for the same parts."""
    digests = "".join(part["sha256"] for part in parts)
    return int(hashlib.sha256(digests.encode()).hexdigest()[:8], 16)
