import errno
import os

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from models import BertPreprocessor, BertTokenizer, faults
from models.errors import RunError
from models.packing import Tokens
from models.presets.embedding import EmbeddingSettings
from transforms.rejected import REJECTED
from transforms.schemas import token_fields
from transforms.shared_preprocessor import SharedPreprocessor
from transforms.tokenize import (
    Tokenize,
    _TokenizeBatch,
    add_tokens,
    tokens_of,
)
from transforms.unit_batch import UnitBatch

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> str:
    """A folder with a tokenizer and as much of a backbone as tells the family."""
    from models import BertBackbone

    folder = tmp_path_factory.mktemp("preset")
    BertBackbone(len(VOCABULARY), 1, 1, 4, 4, max_sequence_length=16).save_to_preset(folder)
    BertPreprocessor(BertTokenizer(VOCABULARY), 8).save_to_preset(folder)
    return str(folder)


def batch_of(*texts: str, **columns: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "text": list(texts),
            **columns,
            "source": ["a.txt"] * len(texts),
            "position": list(range(len(texts))),
        }
    )


def tokenized(preset: str, batch: pa.RecordBatch, length: int = 8, *columns: str, **arguments):
    """The record batches that the DoFn gives for one."""
    shared = SharedPreprocessor(preset, length)
    tokenize = _TokenizeBatch(shared, list(columns or ["text"]), **arguments)
    tokenize.setup()
    try:
        return [found.rows for found in tokenize.process(UnitBatch(batch))]
    finally:
        tokenize.teardown()


def test_columns_are_added_behind_those_of_the_input(preset):
    (batch,) = tokenized(preset, batch_of("good films", "bad"))
    added = [field.name for field in token_fields(has_segments=True)]
    assert batch.schema.names == ["text", "source", "position", *added]
    assert batch.column("token_ids").to_pylist() == [[2, 5, 7, 8, 3], [2, 6, 3]]
    assert batch.column("segment_ids").to_pylist() == [[0] * 5, [0] * 3]
    assert batch.column("num_tokens").to_pylist() == [5, 3]
    assert batch.column("truncated").to_pylist() == [False, False]


def test_a_cut_text_counts_the_tokens_that_it_had(preset):
    (batch,) = tokenized(preset, batch_of("good " * 20), 6)
    assert batch.column("token_ids").to_pylist() == [[2, 5, 5, 5, 5, 3]]
    assert batch.column("num_tokens").to_pylist() == [22]
    assert batch.column("truncated").to_pylist() == [True]


def test_a_pair_has_two_segments(preset):
    batch = batch_of("good", other=["bad film"])
    (batch,) = tokenized(preset, batch, 8, "text", "other")
    assert batch.column("token_ids").to_pylist() == [[2, 5, 3, 6, 7, 3]]
    assert batch.column("segment_ids").to_pylist() == [[0, 0, 0, 1, 1, 1]]


def test_rows_keep_their_order_over_the_tasks_of_a_large_batch(preset):
    texts = [f"{'good ' * (row % 5)}film" for row in range(1500)]
    (batch,) = tokenized(preset, batch_of(*texts))
    assert batch.column("text").to_pylist() == texts
    expected = [[2, *[5] * (row % 5), 7, 3] for row in range(1500)]
    assert batch.column("token_ids").to_pylist() == expected


def test_a_long_text_is_written_as_its_windows(preset):
    batch = batch_of("good bad film good bad film", "bad")
    (batch,) = tokenized(preset, batch, 6, long_text="windows")
    first, second = [2, 5, 6, 7, 5, 3], [2, 5, 6, 7, 3]
    assert batch.column("token_ids").to_pylist() == [[*first, *second], [2, 6, 3]]
    assert batch.column("segment_ids").to_pylist() == [[0] * 11, [0] * 3]
    assert batch.column("num_tokens").to_pylist() == [8, 3]
    assert batch.column("truncated").to_pylist() == [False, False]


def test_a_first_text_that_leaves_the_second_no_room_counts_as_truncated(preset):
    batch = batch_of("good " * 9, "good", other=["bad film bad", "bad film bad"])
    (batch,) = tokenized(preset, batch, 7, "text", "other", long_text="windows")
    first, second = [2, 5, 5, 3, 6, 7, 3], [2, 5, 5, 3, 6, 3]
    assert batch.column("token_ids").to_pylist() == [[*first, *second], [2, 5, 3, 6, 7, 6, 3]]
    assert batch.column("num_tokens").to_pylist() == [15, 7]
    assert batch.column("truncated").to_pylist() == [True, False]


def test_a_prefix_stands_before_the_first_text_of_a_row_and_not_in_its_column(preset):
    batch = batch_of("film", "bad", other=["films", ""])
    embedding = EmbeddingSettings(prefix="good ")
    (batch,) = tokenized(preset, batch, 9, "text", "other", embedding=embedding)
    assert batch.column("token_ids").to_pylist() == [[2, 5, 7, 3, 7, 8, 3], [2, 5, 6, 3, 3]]
    assert batch.column("text").to_pylist() == ["film", "bad"]


def test_a_prefix_stands_before_strings_of_any_type(preset):
    batch = batch_of("film")
    large = batch.set_column(0, "text", batch.column("text").cast(pa.large_string()))
    (batch,) = tokenized(preset, large, embedding=EmbeddingSettings(prefix="good "))
    assert batch.column("token_ids").to_pylist() == [[2, 5, 7, 3]]


class Choosy(BertPreprocessor):
    """Fails on a batch with one of two texts in it."""

    def encode(self, texts, pair_texts=None):
        if bad := [text for text in texts.to_pylist() if text in ("bad", "film")]:
            raise RuntimeError(f"cannot take {bad[0]!r}")
        return super().encode(texts, pair_texts)


class Given(SharedPreprocessor):
    """A preprocessor that is there already."""

    def __init__(self, preprocessor: BertPreprocessor) -> None:
        self._preprocessor = preprocessor

    def acquire(self) -> BertPreprocessor:
        return self._preprocessor


def test_a_bad_row_does_not_take_its_neighbours_along():
    tokenize = _TokenizeBatch(Given(Choosy(BertTokenizer(VOCABULARY), 8)), ["text"])
    tokenize.setup()
    texts = ["good", "bad", "good good", "film", "films"] * 200
    (found,) = tokenize.process(UnitBatch(batch_of(*texts)))
    tokenize.teardown()
    rejected, batch = found.rejected, found.rows
    assert rejected.schema == REJECTED
    assert rejected.num_rows == 400
    assert rejected.slice(0, 2).to_pylist() == [
        {
            "source": "a.txt",
            "position": position,
            "raw": raw,
            "stage": "tokenize",
            "error": f"RuntimeError: cannot take {raw.decode()!r}",
        }
        for position, raw in ((1, b"bad"), (3, b"film"))
    ]
    kept = [row for row, text in enumerate(texts) if text not in ("bad", "film")]
    assert batch.column("position").to_pylist() == kept
    assert batch.column("token_ids").to_pylist()[:3] == [[2, 5, 3], [2, 5, 5, 3], [2, 7, 8, 3]]


def test_a_batch_of_bad_rows_only_gives_no_rows():
    tokenize = _TokenizeBatch(Given(Choosy(BertTokenizer(VOCABULARY), 8)), ["text"])
    tokenize.setup()
    (batch,) = tokenize.process(UnitBatch(batch_of("bad", "film")))
    tokenize.teardown()
    assert (batch.rows.num_rows, batch.rejected.num_rows) == (0, 2)


class Failing(BertPreprocessor):
    """Fails as it is told to, before it does its work."""

    fail = staticmethod(lambda texts: None)

    def encode(self, texts, pair_texts=None):
        self.fail(texts)
        return super().encode(texts, pair_texts)


def tokenized_with(fail, *texts: str) -> UnitBatch:
    """The batch that the DoFn gives for one, with a tokenizer that fails."""
    preprocessor = Failing(BertTokenizer(VOCABULARY), 8)
    preprocessor.fail = fail
    tokenize = _TokenizeBatch(Given(preprocessor), ["text"])
    tokenize.setup()
    try:
        (found,) = tokenize.process(UnitBatch(batch_of(*texts)))
    finally:
        tokenize.teardown()
    return found


def raises(error: Exception):
    def fail(texts):
        raise error

    return fail


@pytest.fixture
def pauses(monkeypatch):
    made: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", made.append)
    return made


def test_a_fault_of_the_machine_that_passes_costs_no_row(pauses):
    left = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))] * 2

    def fail_twice(texts):
        if left:
            raise left.pop()

    found = tokenized_with(fail_twice, "good", "bad")
    assert (found.rows.num_rows, found.rejected.num_rows) == (2, 0)
    assert len(pauses) == 2


@pytest.mark.parametrize("texts", [["good"], ["good"] * 1500], ids=len)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            r"OSError: \[Errno 24\] Too many open files",
        ),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_fault_of_the_machine_that_stays_ends_the_run(texts, error, reason, pauses):
    with pytest.raises(RunError, match=f"^tokenizing failed 4 times on this .* rows: {reason}$"):
        tokenized_with(raises(error), *texts)


def test_texts_without_the_memory_for_all_at_once_are_tokenized_in_halves(pauses):
    def fail(texts):
        if len(texts) > 3:
            raise MemoryError

    found = tokenized_with(fail, *["good", "bad film"] * 20)
    assert found.rows.column("num_tokens").to_pylist() == [3, 4] * 20
    assert pauses == []


def test_a_huge_text_without_the_memory_for_it_is_a_rejected_row(pauses):
    def fail(texts):
        if max(map(len, texts.to_pylist())) > 1000:
            raise MemoryError

    found = tokenized_with(fail, "good", "x" * (17 << 20), "bad")
    assert found.rejected.column("error").to_pylist() == ["MemoryError"]
    assert found.rows.column("text").to_pylist() == ["good", "bad"]
    assert pauses == []


def test_a_batch_of_more_than_a_handful_of_rows_that_all_fail_ends_the_run():
    told = "the tokenizer failed on every row, 9 different ones in .*: ValueError: broken"
    with pytest.raises(RunError, match=told):
        tokenized_with(raises(ValueError("broken")), *[f"text {row}" for row in range(9)])
    found = tokenized_with(raises(ValueError("broken")), *[f"text {row}" for row in range(8)])
    assert found.rejected.num_rows == 8
    found = tokenized_with(raises(ValueError("broken")), *["the same"] * 100)
    assert found.rejected.num_rows == 100


def test_another_number_of_sequences_than_texts_ends_the_run():
    class Losing(BertPreprocessor):
        def encode(self, texts, pair_texts=None):
            return super().encode(texts[1:])

    tokenize = _TokenizeBatch(Given(Losing(BertTokenizer(VOCABULARY), 8)), ["text"])
    tokenize.setup()
    with pytest.raises(RunError, match="the tokenizer gave 1 sequences for 2 texts"):
        list(tokenize.process(UnitBatch(batch_of("good", "bad"))))
    tokenize.teardown()


def test_tokens_come_back_out_of_a_slice_of_a_batch():
    tokens = Tokens(np.arange(6, dtype=np.int32), np.array([0, 1, 4, 6]), np.ones(6, np.int32))
    batch = add_tokens(batch_of("a", "b", "c"), tokens, np.array([1, 3, 9]), np.zeros(3, bool))
    again = tokens_of(batch.slice(1))
    assert again.ids.tolist() == [1, 2, 3, 4, 5]
    assert again.splits.tolist() == [0, 3, 5]
    assert again.segment_ids is not None
    assert again.segment_ids.tolist() == [1] * 5


def test_the_transform_runs_in_a_pipeline(preset):
    def check(batches):
        (batch,) = batches
        assert batch.rows.column("num_tokens").to_pylist() == [3, 4]

    with Pipeline() as pipeline:
        batches = pipeline | beam.Create([UnitBatch(batch_of("good", "bad film"))])
        assert_that(batches | Tokenize(SharedPreprocessor(preset)), check)
