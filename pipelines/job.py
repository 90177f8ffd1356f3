"""What a command is asked for, and the plan that is made of it before any work is done."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines import __version__
from pipelines.flags import options
from transforms.rows.fitting import resolve_length

if TYPE_CHECKING:
    import apache_beam as beam
    import pyarrow as pa

    from models.inference.predictor import Task
    from models.presets.embedding import EmbeddingSettings
    from models.presets.preset import Preset
    from models.quantization import Quantized
    from transforms.infer import PredictorHandler
    from transforms.reading.corpus import Corpus
    from transforms.writing.output import Reservation, Todo
    from transforms.writing.schemas import OutputSchemas


@dataclass(frozen=True)
class Job:
    """What one command does that others do not.

    Attributes:
        command: Its name, which is that of a predictor's task.
        fields: Columns that inference adds.
        infer: Makes the transform from tokenized rows to rows with these columns, from the model
            handler and the names of the text columns.
        model: What the manifest says about the model besides what it says about every model.
        settings: What all rows of one folder must share, for the metadata of every part.
        arguments: Arguments of `Predictor.from_preset` for this task alone.
        embedding: How texts become vectors, if they do.
        label_column: The column whose values the manifest counts.
        quantized: What the numbers of vectors become, if not floats.
    """

    command: "Task"
    fields: "Sequence[pa.Field]"
    infer: "Callable[[PredictorHandler, Sequence[str]], beam.PTransform]"
    model: Mapping[str, Any]
    settings: Mapping[str, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    embedding: "EmbeddingSettings | None" = None
    label_column: str | None = None
    quantized: "Quantized | None" = None

    @property
    def has_ranges(self) -> bool:
        """Whether there are vectors of bytes, which ranges belong to."""
        return self.quantized == "int8"


@dataclass(frozen=True)
class Asked:
    """What the flags ask for: the model, and what it is to do.

    Attributes:
        args: The flags.
        preset: The model.
        sequence_length: Tokens of a row.
        job: What the command does.
        staged: The folder of a bucket from which workers elsewhere open the model, if it is not
            where its name says.
    """

    args: argparse.Namespace
    preset: "Preset"
    sequence_length: int
    job: Job
    staged: str | None = None

    @property
    def shared(self) -> dict[str, str]:
        """What all rows of one folder must share, for the metadata of every part."""
        return {
            "weights": self.preset.digest,
            "sequence_length": str(self.sequence_length),
            "long_text": self.args.long_text,
            **self.job.settings,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All that shapes the result, by the names of the flags; an update must have the same."""
        names = (
            *("input_format", "encoding", "delimiter", "quote"),
            *("text_column", "text_pair_column", "columns", "limit", "precision"),
            "output_format",
        )
        return {
            "command": self.job.command,
            **self.shared,
            **{name: getattr(self.args, name) for name in names},
            "adds": {field.name: str(field.type) for field in self.job.fields},
        }


@dataclass(frozen=True)
class Plan:
    """All that is known about a run before any work is done."""

    asked: Asked
    corpus: "Corpus"
    schemas: "OutputSchemas"
    reservation: "Reservation"


MakeJob = Callable[[argparse.Namespace, "Preset"], Job]
"""Makes a command's job from its flags and the preset.

Raises `UserError` for flags that do not fit the preset.
"""


def ask(args: argparse.Namespace, make_job: MakeJob) -> Asked:
    """Opens the preset and checks that the flags fit it.

    Raises:
        UserError: It does not exist, or something does not fit.
    """
    from pipelines.fetching import open_named

    preset = open_named(args.preset)
    num_texts = 2 if args.text_pair_column else 1
    sequence_length = resolve_length(preset, args.sequence_length, num_texts, args.long_text)
    return Asked(args, preset, sequence_length, make_job(args, preset))


def _columns_given(reservation: "Reservation") -> "pa.Schema":
    """Returns the columns of the earlier results that no model gave."""
    import pyarrow as pa

    assert reservation.earlier is not None
    added = reservation.earlier["settings"].get("adds", {})
    return pa.schema([field for field in reservation.earlier_schema() if field.name not in added])


def make_plan(asked: Asked, todo: "Todo", reservation: "Reservation") -> Plan | None:
    """Checks all that can be checked before any work is done, and plans the work.

    Returns:
        The plan; None if an earlier run had done all, and only its publishing had to be finished.

    Raises:
        UserError: Something does not exist, or does not fit together.
    """
    import pyarrow as pa

    from transforms.reading.corpus import corpus_of_empty, plan_corpus
    from transforms.reading.units import Unit, plan_units, unit_bytes_of
    from transforms.schemas import token_fields
    from transforms.writing.schemas import OutputSchemas, check_writable

    args = asked.args
    added = [*token_fields(asked.preset.has_segments), *asked.job.fields]
    reserved = [field.name for field in added]
    if reservation.adds_rows and not any(file.size for file in todo.files):
        # Nothing tells the columns of empty files; those of the result are known.
        corpus = corpus_of_empty(todo.files, args.text_column, args.text_pair_column, reserved)
        schema, unit_bytes = reservation.earlier_schema(), 0
        units: tuple[Unit, ...] = (Unit(todo.unplanned, limit=0),) if todo.unplanned else ()
    else:
        corpus = plan_corpus(
            todo.files,
            input_format=args.input_format,
            text_column=args.text_column,
            text_pair_column=args.text_pair_column,
            columns=args.columns,
            reserved=reserved,
            earlier=_columns_given(reservation) if reservation.adds_rows else None,
            dialect=options.asked_dialect(args),
        )
        kept = {column.name: column.type for column in corpus.fields}
        check_writable(kept, args.output_format)
        schema = reservation.fitted(pa.schema([*corpus.schema, *added]))
        unit_bytes = unit_bytes_of(corpus)
        units = plan_units(corpus.only(todo.unplanned), args.limit, unit_bytes)
    has_ranges = asked.job.has_ranges
    if not reservation.start(schema, todo, units, unit_bytes, has_ranges):
        return None
    metadata = {
        "preset": asked.preset.name,
        "precision": args.precision,
        "textbeam": __version__,
        **asked.shared,
    }
    label_column = asked.job.label_column
    schemas = OutputSchemas(schema, metadata, label_column, args.output_format, has_ranges)
    return Plan(asked, corpus, schemas, reservation)
