"""From texts to token ids, a record batch at a time."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.shared import Shared

from models.packing import Tokens
from models.presets.lookup import open_preset
from models.windows import LongText
from transforms.schemas import rejected_batch, token_fields

if TYPE_CHECKING:
    from models.preprocessor import Preprocessor

# Texts that one thread tokenizes at a time: enough that starting costs nothing, few enough that a
# record batch keeps all cores busy.
_TEXTS_A_TASK = 512


class TokenizedCorpus(NamedTuple):
    """What `Tokenize` returns.

    Attributes:
        rows: Record batches with the columns of the input and those of `token_fields`.
        rejected: Record batches of the schema `REJECTED`.
    """

    rows: beam.PCollection[pa.RecordBatch]
    rejected: beam.PCollection[pa.RecordBatch]


class Tokenize(beam.PTransform):
    """Adds the token ids of a text column, or of a pair of text columns, to record batches.

    Adds `token_ids`, `segment_ids` for families that have them, `num_tokens` (special tokens
    included, before the cut) and `truncated`.

    Args:
        preset: A preset's name or folder, readable on every worker.
        sequence_length: Tokens of a row at most.
        text_column: Name of a string column without nulls.
        text_pair_column: Name of the column of second texts, for pairs.
        long_text: `truncate` cuts longer rows; with `windows` the `token_ids` of a longer row are
            those of its windows, one after another, which a predictor with the same `long_text`
            takes apart again.
        prefix: Stands before every text that is tokenized, not in its column.
    """

    def __init__(
        self,
        preset: str,
        sequence_length: int,
        text_column: str = "text",
        text_pair_column: str | None = None,
        long_text: LongText = "truncate",
        prefix: str = "",
    ) -> None:
        super().__init__()
        columns = [text_column, *([text_pair_column] if text_pair_column else [])]
        self._tokenize = _TokenizeBatch(preset, sequence_length, columns, long_text, prefix)

    @no_annotations
    def expand(self, rows: beam.PCollection[pa.RecordBatch]) -> TokenizedCorpus:
        """Returns the tokenized rows and the rejected ones."""
        outputs = rows | beam.ParDo(self._tokenize).with_outputs("rejected", main="rows")
        for tag in ("rows", "rejected"):
            outputs[tag].element_type = pa.RecordBatch
        return TokenizedCorpus(outputs["rows"], outputs["rejected"])


class _TokenizeBatch(beam.DoFn):
    def __init__(
        self,
        preset: str,
        sequence_length: int,
        columns: list[str],
        long_text: LongText = "truncate",
        prefix: str = "",
    ) -> None:
        self._preset = preset
        self._sequence_length = sequence_length
        self._columns = columns
        self._long_text = long_text
        self._prefix = prefix
        self._shared = Shared()

    def setup(self) -> None:
        from models.inference import runtime

        self._preprocessor = self._shared.acquire(self._load)
        self._pool = ThreadPoolExecutor(runtime.num_cores(), thread_name_prefix="tokenize")

    def _load(self) -> "Preprocessor":
        """Loads the preprocessor, once a process."""
        from models.inference import runtime

        runtime.start()
        from models.families.classes import preprocessor_class

        preset = open_preset(self._preset)
        return preprocessor_class(preset).from_preset(preset, self._sequence_length)

    def teardown(self) -> None:
        self._pool.shutdown()

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        spans = [
            (start, min(start + _TEXTS_A_TASK, len(batch)))
            for start in range(0, len(batch), _TEXTS_A_TASK)
        ]
        failed: dict[int, str] = {}
        encoded = [
            part
            for parts in self._pool.map(lambda s: self._encode(batch, s[0], s[1], failed), spans)
            for part in parts
        ]
        if failed:
            Metrics.counter("textbeam", "rows_rejected").inc(len(failed))
            rejected, batch = reject_rows(batch, failed, self._columns, "tokenize")
            yield TaggedOutput("rejected", rejected)
        if len(batch):
            parts, *counts = zip(*encoded, strict=True)
            num_tokens, truncated = (np.concatenate(count) for count in counts)
            yield add_tokens(batch, Tokens.concatenate(parts), num_tokens, truncated)

    def _encode(
        self, batch: pa.RecordBatch, start: int, end: int, failed: dict[int, str]
    ) -> list[tuple[Tokens, np.ndarray, np.ndarray]]:
        """Tokenizes rows; those that cannot be go into `failed`, and take no other along."""
        texts = [batch.column(name).slice(start, end - start) for name in self._columns]
        try:
            if self._prefix:
                strings = [text.cast(pa.string()) for text in texts]
                texts = [pc.binary_join_element_wise(self._prefix, text, "") for text in strings]
            if self._long_text == "windows":
                return [self._preprocessor.encode_windows(*texts)]
            tokens, num_tokens = self._preprocessor.encode(*texts)
            return [(tokens, num_tokens, num_tokens > tokens.lengths)]
        except Exception as error:
            if end - start == 1:
                failed[start] = f"{type(error).__name__}: {error}"
                return []
            middle = (start + end) // 2
            return [
                *self._encode(batch, start, middle, failed),
                *self._encode(batch, middle, end, failed),
            ]


def add_tokens(
    batch: pa.RecordBatch, tokens: Tokens, num_tokens: np.ndarray, truncated: np.ndarray
) -> pa.RecordBatch:
    """Returns a record batch with the columns of `token_fields` behind its own.

    Args:
        batch: `[rows]`.
        tokens: The packed rows.
        num_tokens: int64 `[rows]`: tokens of each row before it was cut.
        truncated: bool `[rows]`: whether it was.
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


def reject_rows(
    batch: pa.RecordBatch, errors: Mapping[int, str], columns: Sequence[str], stage: str
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Takes rows out of a record batch.

    Args:
        batch: With the columns `source` and `position`.
        errors: What is wrong with a row, by its index.
        columns: Names of the text columns: their values are what a rejected row keeps.
        stage: Where they failed.

    Returns:
        The rejected rows, of the schema `REJECTED`, and the others.
    """
    rows = sorted(errors)
    taken = batch.take(pa.array(rows, pa.int64()))
    texts = [taken.column(name).to_pylist() for name in columns]
    rejected = rejected_batch(
        taken.column("source").to_pylist(),
        taken.column("position").to_pylist(),
        ["\t".join(values).encode() for values in zip(*texts, strict=True)],
        stage,
        [errors[row] for row in rows],
    )
    kept = np.ones(len(batch), bool)
    kept[rows] = False
    return rejected, batch.filter(pa.array(kept))
