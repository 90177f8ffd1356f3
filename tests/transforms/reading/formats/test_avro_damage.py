"""Avro files that are damaged."""

import random
from pathlib import Path

import orjson
import pytest

from tests.transforms.reading.formats.avro_files import (
    CODECS,
    MARKER,
    NUMBERED,
    all_positions,
    blocks_of_ten,
    deflated,
    encoded,
    header_of,
    number,
    numbered,
    plan_fails,
    schema_of,
    write,
)
from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.formats import avro


def damaged(tmp_path: Path, parts: list[bytes]) -> Found:
    """Reads a file whole and in units, and checks that both find the same."""
    path = tmp_path / "a.avro"
    path.write_bytes(b"".join(parts))
    corpus = plan_corpus([str(path)])
    found, in_units = Found(corpus), Found(corpus, 200)
    assert (in_units.rows, in_units.rejected) == (found.rows, found.rejected)
    positions = all_positions(found)
    assert len(set(positions)) == len(positions)
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_that_is_cut_gives_the_rows_before_the_cut(tmp_path, codec):
    blocks = blocks_of_ten(3, codec, CODECS[codec])
    content = b"".join(blocks)
    for cut in range(len(blocks[0]) + 1, len(content), 11):
        found = damaged(tmp_path, [content[:cut]])
        ends = [len(b"".join(blocks[: i + 1])) for i in range(4)]
        whole = sum(cut >= end for end in ends[1:])
        assert len(found.rows) >= 10 * whole
        assert found.column("id") == list(range(len(found.rows)))
        assert bool(found.rejected) == (cut not in ends)


def test_a_cut_says_where_and_keeps_the_rows_of_the_block_that_are_whole(tmp_path):
    blocks = blocks_of_ten(2)
    found = damaged(tmp_path, [*blocks[:2], blocks[2][:60]])
    assert found.column("id") == list(range(16))
    assert [row["position"] for row in found.rejected] == list(range(16, 21))
    offset = len(blocks[0] + blocks[1])
    assert found.rejected[0]["error"] == (
        f"the block at byte {offset} cannot be read from its row 6 on: it breaks off"
    )
    assert found.rejected[-1]["error"] == (
        f"the block at byte {offset} has no end, and rows may be lost up to byte {offset + 60}"
    )


def test_behind_a_block_of_a_wrong_size_reading_goes_on_with_the_next(tmp_path):
    blocks = blocks_of_ten(5)
    content = encoded(schema_of(*NUMBERED), numbered(10, 20)) + MARKER
    for size in (0, 1, 50, 200, 1000, 1 << 40, -1):
        broken = number(10) + number(size) + content
        found = damaged(tmp_path, [*blocks[:2], broken, *blocks[3:]])
        assert [i for i in found.column("id") if not 10 <= i < 20] == [*range(10), *range(20, 50)]
        assert found.rejected


def test_behind_a_marker_that_is_wrong_reading_goes_on_after_the_next_one(tmp_path):
    blocks = blocks_of_ten(4)
    found = damaged(tmp_path, [*blocks[:2], blocks[2][:-1] + b"x", *blocks[3:]])
    assert found.column("id") == [*range(20), *range(30, 40)]
    assert "has no end, and rows may be lost" in found.only_error()
    assert found.rejected[0]["position"] == 20


@pytest.mark.parametrize("count", [-1, 0, 5, 15, 1 << 50])
def test_a_wrong_number_of_rows_is_told(tmp_path, count):
    blocks = blocks_of_ten(3)
    broken = number(count) + blocks[2][1:]
    found = damaged(tmp_path, [*blocks[:2], broken, blocks[3]])
    assert found.column("id")[:10] == list(range(10))
    assert found.column("id")[-10:] == list(range(20, 30))
    assert found.rejected
    if count == 5:
        assert "bytes follow it in a block that has no more rows" in found.only_error()
        assert orjson.loads(found.raws[0]) == {"id": 14, "text": "text 14"}


@pytest.mark.parametrize(("limit", "claimed"), [(100, 1000), (1 << 20, 900_000)])
def test_rows_that_damage_makes_up_are_not_rejected_one_by_one(
    tmp_path, monkeypatch, limit, claimed
):
    monkeypatch.setattr(avro, "MOST_REJECTED", limit)
    blocks = blocks_of_ten(3)
    found = damaged(tmp_path, [*blocks[:2], number(claimed) + blocks[2][1:], blocks[3]])
    assert found.column("id") == list(range(30))
    assert found.only_error().endswith(f"it breaks off; it claims {claimed - 10:,} more rows")


def test_a_flipped_bit_never_stops_a_run_nor_costs_rows_of_far_blocks(tmp_path):
    generator = random.Random(0)
    blocks = blocks_of_ten(6, "deflate", deflated)
    begin, end = len(blocks[0] + blocks[1]), len(b"".join(blocks[:4]))
    for _ in range(200):
        content = bytearray(b"".join(blocks))
        content[generator.randrange(begin, end)] ^= 1 << generator.randrange(8)
        found = damaged(tmp_path, [bytes(content)])
        ids = found.column("id")
        assert set(ids) >= {*range(10), *range(40, 60)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it does not begin as an Avro file does"),
        (b"\1 and so on", "it does not begin as an Avro file does"),
        (header_of(schema_of(*NUMBERED))[:40], "its header breaks off"),
        (header_of("long"), "its schema is not one of records"),
        (header_of({"type": "record", "name": "R", "fields": [{"name": "a", "type": "no"}]}),
         "its schema is not valid: no"),
        (header_of(schema_of(("a", "int"), ("a", "int"))), "two columns of its schema have the"),
        (header_of({})[:-20] + b"\xff" * 40, "its header is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_an_error_before_any_work(tmp_path, content, reason):
    (tmp_path / "a.avro").write_bytes(content)
    plan_fails(f"cannot read '.*a.avro' as Avro: {reason}", tmp_path / "a.avro")


def test_a_header_may_be_long(tmp_path):
    schema = schema_of(*NUMBERED) | {"doc": "x" * 100_000}
    assert len(read(write(tmp_path / "a.avro", schema, numbered(0, 3))).rows) == 3


def test_a_file_that_is_compressed_from_outside_is_refused(tmp_path):
    (tmp_path / "a.avro.gz").write_bytes(b"")
    plan_fails("Avro is compressed internally; unpack the file first", tmp_path / "a.avro.gz")


def test_a_file_that_changed_since_it_was_planned_is_refused(tmp_path):
    path = write(tmp_path / "a.avro", schema_of(*NUMBERED), numbered(0, 1))
    corpus = plan_corpus([str(path)])
    write(path, schema_of(("id", "string"), ("text", "string")), [])
    with pytest.raises(InputError, match=r"column 'id' of '.*a\.avro' is no longer what it was"):
        Found(corpus)
