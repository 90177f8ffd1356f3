"""Labels for the texts in rows of any kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.errors import UserError
from models.inference.precision import Precision
from models.inference.predictor import Task
from models.presets.embedding import EmbeddingSettings
from models.presets.preset import Preset
from models.windows import LongText
from transforms.infer import Classify, PredictorHandler
from transforms.rows.fitting import check_positive, resolve_threshold
from transforms.rows.text_model import InferText
from transforms.schemas import label_fields


class ClassifyText(InferText):
    """Adds the label of a text, and its score, to rows.

    Rows may be `dict`, `beam.Row`, named tuples or data classes, `pyarrow.RecordBatch`, or what
    `ReadCorpus` gives; dicts, record batches and batches of `ReadCorpus` come back as such, others
    as a `beam.Row` with a schema. A `str` becomes a `beam.Row` of the text and its label.

    >>> import apache_beam as beam
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     rows = pipeline | beam.Create([{"id": 7, "body": "A fine day."}])
    ...     labelled = rows | ClassifyText("sentiment_tiny_en", text_column="body")
    ...     _ = labelled | beam.Map(lambda row: print(row["id"], row["label"]))
    7 positive

    With a preset that gives numbers, such as a reranker, `score` alone is added, or `scores`.

    Args:
        preset: A preset's name, folder or URI, which every worker can open.
        text_column: The column with the text; what the text of a `str` is called.
        text_pair_column: The column with the second text, for pairs.
        probabilities: Whether to add `probabilities`, that of every label.
        top_k: How many of the likeliest labels to add as `top`, with their scores.
        threshold: A text has every label with at least this score, as `labels`; for presets whose
            labels do not exclude each other; 0.5 if None.
        sequence_length: How many tokens of a text the model reads; the preset's own if None.
        long_text: Whether longer texts are cut (`truncate`), or split into `windows`, whose results
            are averaged.
        batch_tokens: Token area of a micro-batch; chosen for the device if None.
        precision: What to compute in: `auto`, `fast`, `float32`, `bfloat16`, `float16` or `int8`.
        backend: What Keras computes with; what `KERAS_BACKEND` says, else TensorFlow, if None.
        token_counts: Whether to add `num_tokens` and `truncated` too, as the command does.
        rename: Other names for the columns that are added, such as `{"label": "topic"}`.

    Raises:
        UserError: An argument is none of its choices.
    """

    def __init__(
        self,
        preset: str | Path = "sentiment_tiny_en",
        text_column: str = "text",
        text_pair_column: str | None = None,
        *,
        probabilities: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        sequence_length: int | None = None,
        long_text: LongText = "truncate",
        batch_tokens: int | None = None,
        precision: Precision = "auto",
        backend: str | None = None,
        token_counts: bool = False,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            preset,
            text_column=text_column,
            text_pair_column=text_pair_column,
            sequence_length=sequence_length,
            long_text=long_text,
            batch_tokens=batch_tokens,
            precision=precision,
            backend=backend,
            token_counts=token_counts,
            rename=rename,
        )
        check_positive("top_k", top_k)
        if threshold is not None and not 0 <= threshold <= 1:
            raise UserError(f"threshold must be from 0 to 1, not {threshold!r}")
        self._probabilities = probabilities
        self._top_k = top_k or 0
        self._threshold = threshold

    def _asked(
        self, preset: Preset
    ) -> tuple[list[pa.Field], Task, Mapping[str, Any], EmbeddingSettings | None]:
        if not preset.has_classifier:
            raise preset.no_classifier()
        self._resolved(preset)
        fields = label_fields(
            preset.labels,
            self._probabilities,
            self._top_k,
            preset.is_multi_label,
            preset.gives_numbers,
        )
        return fields, "classify", {}, None

    def _infer(self, preset: Preset, handler: PredictorHandler, columns: Sequence[str]) -> Classify:
        return Classify(
            handler,
            preset.labels,
            columns,
            probabilities=self._probabilities,
            top_k=self._top_k,
            threshold=self._resolved(preset),
            gives_numbers=preset.gives_numbers,
        )

    def _resolved(self, preset: Preset) -> float | None:
        """Returns the score from which on a text has a label, if it may have several."""
        return resolve_threshold(preset, self._probabilities, self._top_k, self._threshold)
