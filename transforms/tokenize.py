"""From texts to token ids, a record batch at a time."""

from collections.abc import Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.typehints.decorators import no_annotations

from models.errors import RunError
from models.faults import (
    FailuresInSuccession,
    is_of_the_machine,
    is_out_of_memory,
    reason_of,
    try_again,
)
from models.packing import Tokens
from models.presets.embedding import EmbeddingSettings
from models.windows import LongText
from transforms.schemas import token_fields
from transforms.shared_preprocessor import SharedPreprocessor
from transforms.unit_batch import UnitBatch

# Texts that one thread tokenizes at a time: enough to make starting a task cheap, few enough for a
# record batch to keep all cores busy.
_TEXTS_A_TASK = 512

# Bytes of a row for which every machine must have the memory; README promises lines of 10 MB. A
# longer one that does not fit is rejected.
_SHORT_BYTES = 16 << 20


class Tokenize(beam.PTransform):
    """Adds the token ids of a text column, or of a pair of text columns, to batches.

    Adds `token_ids`, `segment_ids` for families that have them, `num_tokens` (special tokens
    included, before truncation) and `truncated`.

    >>> batch = UnitBatch(pa.RecordBatch.from_pydict({"text": ["A fine day.", "A day."]}))
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     batches = pipeline | beam.Create([batch])
    ...     tokenized = batches | Tokenize(SharedPreprocessor("sentiment_tiny_en"))
    ...     _ = tokenized | beam.Map(lambda batch: print(batch.rows.column("num_tokens")))
    [
      6,
      5
    ]

    Args:
        preprocessor: Makes the token ids.
        text_column: Name of a string column without nulls.
        text_pair_column: Name of the column of second texts, for pairs.
        long_text: `truncate` cuts longer rows; with `windows` the `token_ids` of a longer row are
            those of its windows, one after another, which a predictor with the same `long_text`
            splits up again.
        embedding: How texts become vectors, if they do: what it puts before them, for tokenizing
            alone.
    """

    def __init__(
        self,
        preprocessor: SharedPreprocessor,
        text_column: str = "text",
        text_pair_column: str | None = None,
        long_text: LongText = "truncate",
        embedding: EmbeddingSettings | None = None,
    ) -> None:
        super().__init__()
        columns = [text_column, *([text_pair_column] if text_pair_column else [])]
        self._tokenize = _TokenizeBatch(preprocessor, columns, long_text, embedding)

    @property
    def batches(self) -> beam.DoFn:
        """What does it, for a step that tokenizes batches of its own."""
        return self._tokenize

    @no_annotations
    def expand(self, batches: beam.PCollection[UnitBatch]) -> beam.PCollection[UnitBatch]:
        """Returns the batches with the columns of `token_fields`."""
        return batches | beam.ParDo(self._tokenize).with_output_types(UnitBatch)


class _TokenizeBatch(beam.DoFn):
    def __init__(
        self,
        preprocessor: SharedPreprocessor,
        columns: list[str],
        long_text: LongText = "truncate",
        embedding: EmbeddingSettings | None = None,
    ) -> None:
        self._shared = preprocessor
        self._columns = columns
        self._long_text = long_text
        self._embedding = embedding or EmbeddingSettings()

    def setup(self) -> None:
        from models.inference.cores import CorePool

        self._failures = FailuresInSuccession("the tokenizer")
        self._preprocessor = self._shared.acquire()
        self._pool = CorePool("tokenize")

    def teardown(self) -> None:
        self._pool.shutdown()

    def process(self, batch: UnitBatch) -> Iterator[UnitBatch]:
        rows = batch.rows
        spans = [
            (start, min(start + _TEXTS_A_TASK, len(rows)))
            for start in range(0, len(rows), _TEXTS_A_TASK)
        ]
        failed: dict[int, str] = {}
        encoded = [
            part
            for parts in self._pool.map(lambda s: self._encode(rows, s[0], s[1], failed), spans)
            for part in parts
        ]
        if encoded:
            self._failures.clear()
        elif failed:
            texts = (rows.column(name).to_pylist() for name in self._columns)
            self._failures.add(zip(*texts, strict=True), next(iter(failed.values())))
        if failed:
            batch = batch.reject(failed, self._columns, "tokenize")
        if encoded:
            parts, *counts = zip(*encoded, strict=True)
            num_tokens, truncated = (np.concatenate(count) for count in counts)
            tokens = Tokens.concatenate(parts)
            batch = batch.with_rows(add_tokens(batch.rows, tokens, num_tokens, truncated))
        yield batch

    def _encode(
        self, batch: pa.RecordBatch, start: int, end: int, failed: dict[int, str]
    ) -> list[tuple[Tokens, np.ndarray, np.ndarray]]:
        """Tokenizes rows; those that fail go into `failed` and do not affect the others.

        Raises:
            RunError: The machine failed several times, or the tokenizer lost rows.
        """
        texts = [batch.column(name).slice(start, end - start) for name in self._columns]
        is_short = sum(text.nbytes for text in texts) <= _SHORT_BYTES

        def is_fault(error: Exception) -> bool:
            is_too_large = is_out_of_memory(error) and (end - start > 1 or not is_short)
            return is_of_the_machine(error) and not is_too_large

        try:
            return [try_again(lambda: self._encode_texts(texts), "tokenizing", is_fault)]
        except RunError:
            raise
        except Exception as error:
            if end - start == 1:
                failed[start] = reason_of(error)
                return []
            middle = (start + end) // 2
            return [
                *self._encode(batch, start, middle, failed),
                *self._encode(batch, middle, end, failed),
            ]

    def _encode_texts(self, texts: list[pa.Array]) -> tuple[Tokens, np.ndarray, np.ndarray]:
        num_rows = len(texts[0])
        prepared = self._embedding.prepare(texts)
        if self._long_text == "windows":
            encoded = self._preprocessor.encode_windows(*prepared)
        else:
            tokens, num_tokens = self._preprocessor.encode(*prepared)
            encoded = (tokens, num_tokens, num_tokens > tokens.lengths)
        if len(encoded[0]) != num_rows:
            raise RunError(
                f"the tokenizer gave {len(encoded[0]):,} sequences for {num_rows:,} texts: no row "
                "can be told its own"
            )
        return encoded


def add_tokens(
    batch: pa.RecordBatch, tokens: Tokens, num_tokens: np.ndarray, truncated: np.ndarray
) -> pa.RecordBatch:
    """Returns a record batch with the columns of `token_fields` after its own.

    Args:
        batch: The record batch, `[rows]`.
        tokens: The packed rows.
        num_tokens: int64 `[rows]`: tokens of each row before truncation.
        truncated: bool `[rows]`: whether each row was truncated.
    """
    splits = pa.array(tokens.splits, pa.int32())
    columns = [pa.ListArray.from_arrays(splits, pa.array(tokens.ids, pa.int32()))]
    if tokens.segment_ids is not None:
        columns.append(pa.ListArray.from_arrays(splits, pa.array(tokens.segment_ids, pa.int32())))
    columns.append(pa.array(num_tokens, pa.int32()))
    columns.append(pa.array(truncated))
    schema = batch.schema
    for field in token_fields(tokens.segment_ids is not None):
        schema = schema.append(field)
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def tokens_of(batch: pa.RecordBatch) -> Tokens:
    """Returns the packed rows that `add_tokens` put into a record batch."""
    ids = batch.column("token_ids")
    segment_ids = None
    if "segment_ids" in batch.schema.names:
        segment_ids = batch.column("segment_ids").flatten().to_numpy()
    splits = ids.offsets.to_numpy().astype(np.int64)
    return Tokens(ids.flatten().to_numpy(), splits - splits[0], segment_ids)
