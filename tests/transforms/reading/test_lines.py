import gzip
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.files import CorpusFile
from transforms.reading import lines
from transforms.reading.lines import line_blocks, split_lines

MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("lines") / "a.txt"


def blocks_of(path, content, *arguments, **options):
    path.write_bytes(content)
    return list(line_blocks(str(path), *arguments, **options))


@given(
    content=st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n"]), max_size=40).map(b"".join),
    cuts=st.sets(st.integers(1, 60), max_size=5),
    block_bytes=st.integers(1, 30),
)
def test_ranges_that_follow_each_other_give_every_line_once(path, content, cuts, block_bytes):
    bounds = [0, *sorted(cut for cut in cuts if cut < len(content)), None]
    found = [
        block
        for start, stop in pairwise(bounds)
        for block in blocks_of(path, content, start, stop, block_bytes)
    ]
    assert b"".join(block.data for block in found) == content
    at = 0
    for block in found:
        assert (block.offset, block.fault) == (at, None)
        at += len(block.data)
    assert all(block.data.endswith(b"\n") for block in found[:-1])
    assert sum(block.stored_bytes for block in found) == len(content)


def test_a_line_longer_than_a_block_is_whole(path):
    found = blocks_of(path, b"a" * 50 + b"\nb\n", block_bytes=8)
    assert found[0].data.startswith(b"a" * 50 + b"\n")
    assert b"".join(block.data for block in found) == b"a" * 50 + b"\nb\n"


def test_a_line_too_long_to_be_read_is_a_fault_and_its_neighbours_are_read(path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 20)
    found = blocks_of(path, b"a\n" + b"b" * 50 + b"\nc\n", block_bytes=8)
    assert [(b.offset, b.data, b.fault) for b in found if b.fault is None] == [
        (0, b"a\n", None),
        (53, b"c\n", None),
    ]
    (fault,) = [block for block in found if block.fault]
    assert (fault.offset, set(fault.data)) == (2, {ord("b")})
    assert fault.fault == "the line is longer than 20 bytes"


def test_a_byte_order_mark_is_no_part_of_the_first_line(path):
    found = blocks_of(path, MARK + b"a\nb")
    assert b"".join(block.data for block in found) == b"a\nb"
    assert found[0].offset == len(MARK)


@given(
    content=st.lists(st.sampled_from(["\n", "a", "\u0a00", "\u000a\u0a0a", "😀"]), max_size=20).map(
        "".join
    ),
    cuts=st.sets(st.integers(1, 20), max_size=4),
    block_bytes=st.integers(1, 30),
    encoding=st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
)
def test_ranges_of_wide_characters_give_every_line_once(path, content, cuts, block_bytes, encoding):
    data = content.encode(encoding)
    bounds = [0, *sorted(4 * cut for cut in cuts if 4 * cut < len(data)), None]
    found = [
        block
        for start, stop in pairwise(bounds)
        for block in blocks_of(path, data, start, stop, block_bytes, encoding)
    ]
    assert b"".join(block.data for block in found) == content.encode()
    starts = [start for block in found for start in block.starts]
    lines_before = [content[:at] for at in range(len(content)) if not at or content[at - 1] == "\n"]
    assert starts == [len(before.encode(encoding)) for before in lines_before]
    assert sum(block.stored_bytes for block in found) == len(data)


def test_a_stream_that_breaks_off_is_a_fault_after_its_whole_lines(tmp_path):
    whole = gzip.compress(b"".join(b"line %d\n" % i for i in range(20_000)))
    found = blocks_of(tmp_path / "a.txt.gz", whole[:-3000], block_bytes=1000)
    *before, last = found
    assert last.fault
    read = b"".join(block.data for block in before)
    assert read.endswith(b"\n")
    assert read.startswith(b"line 0\nline 1\n")
    assert last.offset == len(read)


def test_a_file_is_cut_into_ranges_unless_it_is_compressed():
    ranges = [(unit.start, unit.stop) for unit in split_lines(CorpusFile("a.txt", 25), 10)]
    assert ranges == [(0, 10), (10, 20), (20, 25)]
    (whole,) = split_lines(CorpusFile("a.txt.gz", 25), 10)
    assert (whole.start, whole.stop) == (0, None)
