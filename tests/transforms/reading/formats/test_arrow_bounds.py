"""Arrow files that take far more than what is stored of them."""

import numpy as np
import pyarrow as pa
import pytest

from tests.transforms.reading.reading import read
from transforms.reading.formats import arrow
from transforms.reading.layout import BATCH_BYTES
from transforms.reading.stored import arrow_messages
from transforms.reading.stored.arrow_lengths import plain_bytes

FORMS = {"a.arrow": pa.ipc.new_file, "a.arrows": pa.ipc.new_stream}


def write(path, *batches: pa.RecordBatch, compression: str | None = None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with FORMS[path.name](path, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path


def constant(value: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [value])


def batch_of(**columns) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("name", FORMS)
def test_a_batch_that_would_unpack_to_too_much_is_rejected(
    tmp_path, monkeypatch, name, compression
):
    monkeypatch.setattr(arrow_messages, "UNPACKED_BYTES", 1 << 20)
    small, large = batch_of(text=["a", "b"]), batch_of(text=["x" * (8 << 20), "c"])
    path = write(tmp_path / name, small, large, small, compression=compression)
    found = read(path)
    assert "bytes would unpack to 8,388," in found.rejected[0]["error"]
    if name == "a.arrow":
        assert found.texts == ["a", "b"] * 2
        assert [row["position"] for row in found.rejected] == [2, 3]
    else:  # where the next batch of a stream begins is not known
        assert found.texts == ["a", "b"]


@pytest.mark.parametrize("name", FORMS)
def test_a_dictionary_that_would_unpack_to_too_much_is_rejected(tmp_path, monkeypatch, name):
    monkeypatch.setattr(arrow_messages, "UNPACKED_BYTES", 1 << 20)
    path = write(tmp_path / name, batch_of(text=constant("x" * (8 << 20), 3)), compression="zstd")
    found = read(path)
    assert found.rows == []
    assert "bytes would unpack to 8,388," in found.rejected[0]["error"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("type_", [pa.dictionary(pa.int32(), pa.string()), pa.string_view()])
def test_a_long_value_that_many_rows_share_is_copied_a_few_times(tmp_path, name, type_):
    text = "x" * (1 << 20)
    texts = constant(text, 300)
    if type_ == pa.string_view():  # all views point to the same bytes
        one = pa.array([text], pa.string_view())
        _, view, data = one.buffers()
        texts = pa.Array.from_buffers(type_, 300, [None, pa.py_buffer(bytes(view) * 300), data])
    path = write(tmp_path / name, batch_of(text=texts))
    assert path.stat().st_size < 2 << 20
    found = read(path)
    assert found.texts == [text] * 300
    assert max(batch.rows.nbytes for batch in found.batches) < 2 * BATCH_BYTES


def test_a_row_that_would_take_too_much_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "DECODED_BYTES", 10_000)
    monkeypatch.setattr(arrow, "ROW_BYTES", 20_000)
    lists = pa.ListArray.from_arrays([0, 1, 31, 32], constant("x" * 1000, 32))
    found = read(write(tmp_path / "a.arrow", batch_of(text=["a", "b", "c"], lists=lists)))
    assert found.texts == ["a", "c"]
    assert found.only_error() == "the row would take 30,000 bytes, more than 20,000"
    assert found.rejected[0]["position"] == 1


STRINGS = pa.array(["a", "bcd", None, ""])


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (STRINGS, [1, 3, 0, 0]),
        (STRINGS.cast(pa.large_string()), [1, 3, 0, 0]),
        (STRINGS.cast(pa.string_view()), [1, 3, 0, 0]),
        (STRINGS.dictionary_encode(), [1, 3, 1, 0]),  # what stands where a value is null
        (pa.ListArray.from_arrays([0, 2, 2, 3, 4], STRINGS), [4, 0, 0, 0]),
        (pa.FixedSizeListArray.from_arrays(STRINGS, 2), [4, 0]),
        (pa.StructArray.from_arrays([STRINGS, STRINGS], ["a", "b"]), [2, 6, 0, 0]),
        (pa.MapArray.from_arrays([0, 1, 2, 2, 2], ["k", "l"], ["abc", "d"]), [4, 2, 0, 0]),
        (pa.array([1, 2], pa.int16()), [2, 2]),
        (pa.nulls(2), [0, 0]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_the_bytes_of_items_are_known_and_those_of_slices_too(array, expected):
    assert plain_bytes(array).tolist() == expected
    assert plain_bytes(array.slice(1)).tolist() == expected[1:]


@pytest.mark.parametrize("name", FORMS)
def test_a_dictionary_of_views_is_decoded(tmp_path, name):
    values = pa.array(["a", "b" * 100, None, "\xe9"], pa.string_view())
    texts = pa.DictionaryArray.from_arrays(pa.array([1, 0, 3, None, 2]), values)
    found = read(write(tmp_path / name, batch_of(text=texts)))
    assert found.texts == ["b" * 100, "a", "\xe9"]
    assert [row["error"] for row in found.rejected] == ["'text' is null"] * 2


def test_a_type_that_cannot_be_decoded_costs_its_rows(tmp_path):
    values = pa.array(["a", "b"], pa.string_view())
    inner = pa.DictionaryArray.from_arrays(pa.array([0, 1]), values)
    lists = pa.ListArray.from_arrays([0, 1, 2], inner)
    found = read(write(tmp_path / "a.arrow", batch_of(text=["a", "b"], lists=lists)))
    assert len(found.rows) + len(found.rejected) == 2
