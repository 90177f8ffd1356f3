"""What the transforms that run a model over rows have in common."""

import copy
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.typehints.decorators import no_annotations
from typing_extensions import Self

from models import backends
from models.errors import UserError
from models.inference.precision import PRECISIONS
from models.inference.predictor import Task
from models.presets.embedding import EmbeddingSettings
from models.presets.lookup import PlannedPreset, open_preset
from models.presets.preset import Preset
from models.windows import LONG_TEXTS, LongText
from transforms.infer import Classify, Embed, PredictorHandler
from transforms.rows.fitting import as_arguments, check_choice, check_positive, resolve_length
from transforms.rows.inference import REJECTED, TextModel, infer_rows, stage_columns
from transforms.rows.types import output_hint
from transforms.schemas import NUM_TOKENS, TRUNCATED
from transforms.shared_preprocessor import SharedPreprocessor
from transforms.tokenize import Tokenize


@cache
def shared_model(
    preset: PlannedPreset,
    backend: str,
    sequence_length: int,
    task: Task,
    arguments: tuple[tuple[str, Any], ...],
) -> tuple[SharedPreprocessor, PredictorHandler]:
    """Returns what opens a model on workers.

    The same arguments give the same objects, by which workers know that it is one model: its
    weights are loaded once a process.

    Args:
        preset: The preset.
        backend: Keras's backend.
        sequence_length: Tokens of a row.
        task: What it does.
        arguments: Other arguments of `Predictor.from_preset`.
    """
    preprocessor = SharedPreprocessor(preset, sequence_length, backend)
    return preprocessor, PredictorHandler(preprocessor, task, **dict(arguments))


class InferText(beam.PTransform):
    """Adds what a model makes of texts to the rows that hold them.

    Args:
        preset: A preset's name, folder or URI, which every worker can open.
        text_column: The column with the text.
        text_pair_column: The column with the second text, for pairs.
        sequence_length: How many tokens of a text the model reads; the preset's own if None.
        long_text: Whether longer texts are cut (`truncate`), or split into `windows`.
        batch_tokens: Token area of a micro-batch; chosen for the device if None.
        precision: What to compute in.
        backend: What Keras computes with; what `KERAS_BACKEND` says, else TensorFlow, if None.
        token_counts: Whether to add `num_tokens` and `truncated` too, as the commands do.
        rename: Other names for the columns that are added.

    Raises:
        UserError: An argument is none of its choices.
    """

    def __init__(
        self,
        preset: str | Path,
        *,
        text_column: str,
        text_pair_column: str | None,
        sequence_length: int | None,
        long_text: LongText,
        batch_tokens: int | None,
        precision: str,
        backend: str | None,
        token_counts: bool,
        rename: Mapping[str, str] | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not isinstance(preset, (str, Path)):
            raise UserError(f"{name} takes a preset first: its name, folder or URI, not {preset!r}")
        check_choice("long_text", long_text, LONG_TEXTS)
        check_choice("precision", precision, PRECISIONS)
        self._backend = backend or backends.name()
        check_choice("backend", self._backend, backends.BACKENDS)
        if precision == "int8" and self._backend != "tensorflow":
            raise UserError(
                f"precision='int8' is for TensorFlow, and the backend is {self._backend}: choose "
                "bfloat16, float32 or fast"
            )
        for argument, value in (
            ("sequence_length", sequence_length),
            ("batch_tokens", batch_tokens),
        ):
            check_positive(argument, value)
        if text_pair_column == text_column:
            raise UserError(f"text and second text are both {text_column!r}; name two columns")
        self._preset = os.path.expanduser(preset)
        self._text_columns = (text_column, *((text_pair_column,) if text_pair_column else ()))
        self._sequence_length = sequence_length
        self._long_text: LongText = long_text
        self._arguments = {
            "batch_tokens": batch_tokens,
            "precision": precision,
            "long_text": long_text,
        }
        self._token_counts = token_counts
        self._rename = dict(rename or {})
        self._gives_rejected = False

    def with_exception_handling(self) -> Self:
        """Returns the transform with a second output: the rows that cannot go on.

        Without this, the first such row ends the pipeline.

        >>> import apache_beam as beam
        >>> from transforms import ClassifyText
        >>> with beam.Pipeline("FnApiRunner") as pipeline:
        ...     texts = pipeline | beam.Create(["A fine day.", None])
        ...     classify = ClassifyText("sentiment_tiny_en").with_exception_handling()
        ...     rows, rejected = texts | classify
        ...     _ = rejected | beam.Map(print)
        RejectedRow(row=None, stage='read', error="'text' is null")

        Returns:
            A transform that gives a pair: the rows with results, and a `RejectedRow` for each of
            the others.
        """
        handling = copy.copy(self)
        handling._gives_rejected = True
        return handling

    def default_label(self) -> str:
        """Returns a label that tells two models over the same rows apart."""
        return f"{type(self).__name__}({Path(self._preset).name})"

    @no_annotations
    def expand(self, rows: beam.PCollection) -> Any:
        """Returns the rows with the columns of the results; see `with_exception_handling`.

        Raises:
            UserError: There is no such preset, an argument does not fit it, or the rows are known
                to have no text, or columns of such names.
        """
        name = type(self).__name__
        with as_arguments():
            model = self._planned()
        added = list(model.added.values())
        hint = output_hint(rows.element_type, self._text_columns, added, name)
        does = infer_rows(model, self._gives_rejected, rows.windowing.windowfn)
        infer = beam.ParDo(does).with_output_types(hint)
        if not self._gives_rejected:
            return rows | "Infer" >> infer
        outputs = rows | "Infer" >> infer.with_outputs(REJECTED, main="rows")
        outputs[REJECTED].element_type = Any
        return outputs

    def _planned(self) -> TextModel:
        """Opens the preset and checks that the arguments fit it; returns what goes to workers."""
        preset = open_preset(self._preset)
        num_texts = len(self._text_columns)
        length = resolve_length(preset, self._sequence_length, num_texts, self._long_text)
        columns = stage_columns(num_texts)
        fields, task, arguments, embedding = self._asked(preset)
        preprocessor, handler = shared_model(
            PlannedPreset.of(preset),
            self._backend,
            length,
            task,
            tuple(sorted({**self._arguments, **arguments}.items())),
        )
        counts = [NUM_TOKENS, TRUNCATED] if self._token_counts else []
        return TextModel(
            type(self).__name__,
            Tokenize(
                preprocessor,
                columns[0],
                columns[1] if num_texts > 1 else None,
                self._long_text,
                embedding,
            ),
            handler,
            self._infer(preset, handler, columns),
            self._text_columns,
            self._named([*counts, *fields]),
        )

    def _named(self, fields: Sequence[pa.Field]) -> dict[str, pa.Field]:
        """Returns the columns as they are called in rows, by their names."""
        names = [field.name for field in fields]
        for name in self._rename:
            if name not in names:
                raise UserError(f"rename has {name!r}, and what is added is {', '.join(names)}")
        named = {
            field.name: field.with_name(self._rename.get(field.name, field.name))
            for field in fields
        }
        called = [field.name for field in named.values()]
        if len({*called, *self._text_columns}) < len(called) + len(self._text_columns):
            raise UserError(
                f"what is added is called {', '.join(called)} beside the column "
                f"{self._text_columns[0]!r}: give each a name of its own with rename"
            )
        return named

    def _asked(
        self, preset: Preset
    ) -> tuple[list[pa.Field], Task, Mapping[str, Any], EmbeddingSettings | None]:
        """Returns the columns that are added, the task, its arguments, and how texts are embedded.

        Raises:
            UserError: The arguments do not fit the preset.
        """
        raise NotImplementedError

    def _infer(
        self, preset: Preset, handler: PredictorHandler, columns: Sequence[str]
    ) -> Classify | Embed:
        """Returns what makes columns of the model's results."""
        raise NotImplementedError
