"""Vectors for the texts in rows of any kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from models.errors import UserError
from models.inference.precision import Precision
from models.inference.predictor import Task
from models.presets.embedding import POOLINGS, EmbeddingSettings, Pooling
from models.presets.preset import Preset
from models.quantization import QUANTIZED
from models.tasks.embedder import check_embeds_pairs, resolve_embedding
from models.windows import LongText
from transforms.infer import Embed, PredictorHandler
from transforms.rows.fitting import check_choice, check_positive
from transforms.rows.text_model import InferText
from transforms.schemas import vector_field

_DTYPES = ("float32", "float16")


class EmbedText(InferText):
    """Adds the vector of a text, as `embedding`, to rows.

    Rows are what `ClassifyText` takes, and come back as there. In record batches vectors are a
    column of fixed-size lists, elsewhere lists of numbers.

    >>> import apache_beam as beam
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     texts = pipeline | beam.Create(["A fine day."])
    ...     embedded = texts | EmbedText(dimensions=8)
    ...     _ = embedded | beam.Map(lambda row: print(row.text, len(row.embedding)))
    A fine day. 8

    Args:
        preset: A preset's name, folder or URI, which every worker can open.
        text_column: The column with the text; what the text of a `str` is called.
        text_pair_column: The column with the second text, for pairs.
        pooling: How the vectors of a text's tokens become one; the preset's own, else `mean`, if
            None.
        normalize: Whether vectors are divided by their length; the preset's own if None.
        dimensions: Keep this many numbers of a vector, the first; the preset's own if None.
        embedding_dtype: Type of the numbers, `float32` or `float16`.
        prompt: Which of the preset's prompts the model reads before every text; its default if
            None.
        prefix: A text for the model to read there instead; "" for none.
        sequence_length: How many tokens of a text the model reads; the preset's own if None.
        long_text: Whether longer texts are cut (`truncate`), or split into `windows`, whose results
            are averaged.
        batch_tokens: Token area of a micro-batch; chosen for the device if None.
        precision: What to compute in: `auto`, `fast`, `float32`, `bfloat16`, `float16` or `int8`.
        backend: What Keras computes with; what `KERAS_BACKEND` says, else TensorFlow, if None.
        token_counts: Whether to add `num_tokens` and `truncated` too, as the command does.
        rename: Other names for the columns that are added, such as `{"embedding": "vector"}`.

    Raises:
        UserError: An argument is none of its choices.
    """

    def __init__(
        self,
        preset: str | Path = "embedding_tiny_en",
        text_column: str = "text",
        text_pair_column: str | None = None,
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        dimensions: int | None = None,
        embedding_dtype: Literal["float32", "float16"] = "float32",
        prompt: str | None = None,
        prefix: str | None = None,
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
        if embedding_dtype in QUANTIZED:
            raise UserError(
                f"embedding_dtype={embedding_dtype!r} is for python -m pipelines.embed, which sees "
                "a sample of all vectors first: take 'float32' or 'float16' here"
            )
        check_choice("embedding_dtype", embedding_dtype, _DTYPES)
        if pooling is not None:
            check_choice("pooling", pooling, POOLINGS)
        check_positive("dimensions", dimensions)
        self._dtype = embedding_dtype
        self._embedding: dict[str, Any] = {
            "pooling": pooling,
            "normalize": normalize,
            "dimensions": dimensions,
            "prompt": prompt,
            "prefix": prefix,
        }

    def _asked(
        self, preset: Preset
    ) -> tuple[list[pa.Field], Task, Mapping[str, Any], EmbeddingSettings | None]:
        settings, dimensions = resolve_embedding(preset, **self._embedding)
        if len(self._text_columns) > 1:
            check_embeds_pairs(settings)
        return [vector_field(dimensions, self._dtype)], "embed", self._embedding, settings

    def _infer(self, preset: Preset, handler: PredictorHandler, columns: Sequence[str]) -> Embed:
        return Embed(handler, columns, self._dtype)
