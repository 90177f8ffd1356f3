import io

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.reading.reading import Found
from transforms.reading.corpus import plan_corpus
from transforms.reading.dialect import Dialect
from transforms.reading.frames import Frame, frames
from transforms.reading.units import plan_units

SKIPPED = b"\x5e\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"table"
TEXT = "".join(f"line {number} {'é' * (number % 7)}\n" for number in range(3000)).encode()


def frame(data: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def streamed(data: bytes) -> bytes:
    """A frame that does not say how long its content is."""
    sink = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(sink, closefd=False) as writer:
        writer.write(data)
    return sink.getvalue()


@pytest.mark.parametrize("options", [{}, {"write_checksum": True}, {"level": 19}], ids=str)
@pytest.mark.parametrize("size", [1, 200, 255, 256, 70_000, 1_000_000])
def test_frames_are_found_by_their_headers(tmp_path, size, options):
    path = tmp_path / "a.zst"
    pieces = [b"x" * size, TEXT[:size] * 3, bytes(range(256)) * (size // 256 + 1)]
    stored = [frame(piece, **options) for piece in pieces]
    path.write_bytes(SKIPPED + stored[0] + SKIPPED * 2 + frame(b"") + stored[1] + stored[2])
    expected = [
        Frame(13, 0),
        Frame(39 + len(stored[0]) + len(frame(b"")), size),
        Frame(39 + len(stored[0] + stored[1] + frame(b"")), size + len(pieces[1])),
    ]
    assert frames(str(path)) == expected


def test_frames_after_one_of_unknown_length_are_not_known(tmp_path):
    path = tmp_path / "a.zst"
    path.write_bytes(frame(b"a") + streamed(b"b") + frame(b"c"))
    assert frames(str(path)) == [Frame(0, 0), Frame(len(frame(b"a")), 1)]


@pytest.mark.parametrize("content", [b"", b"no zstd", frame(TEXT)[:-5], frame(TEXT)[:3]])
def test_what_is_no_whole_frame_is_no_error(tmp_path, content):
    path = tmp_path / "a.zst"
    path.write_bytes(content)
    assert len(frames(str(path))) <= 1


@settings(max_examples=200)
@given(
    pieces=st.lists(
        st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\xc3\xa4", b"\r\n"])).map(b"".join),
        min_size=1,
        max_size=8,
    ),
    unit_bytes=st.integers(1, 60),
    has_mark=st.booleans(),
)
def test_units_of_frames_are_the_lines_of_the_file(tmp_path_factory, pieces, unit_bytes, has_mark):
    path = tmp_path_factory.getbasetemp() / "frames.txt.zst"
    path.write_bytes(b"".join(map(frame, [b"\xef\xbb\xbf" * has_mark, *pieces])))
    corpus = plan_corpus([str(path)])
    assert Found(corpus, unit_bytes).rows == Found(corpus).rows


@pytest.mark.parametrize("join", [b"", SKIPPED])
@pytest.mark.parametrize("piece", [1000, 4096])
def test_a_file_of_many_frames_is_cut(tmp_path, join, piece):
    path = tmp_path / "a.txt.zst"
    stored = [frame(TEXT[at : at + piece]) for at in range(0, len(TEXT), piece)]
    path.write_bytes(join.join(stored))
    corpus = plan_corpus([str(path)])
    units = plan_units(corpus, unit_bytes=900)
    assert len(units) > 4
    split, whole = Found(corpus, 900), Found(corpus)
    assert split.rows == whole.rows
    assert split.texts == TEXT.decode().splitlines()


def test_other_encodings_are_cut_unless_their_letters_are_wide(tmp_path):
    path = tmp_path / "a.txt.zst"
    for encoding, count in (("cp1252", 1), ("utf-16-le", 0)):
        text = TEXT.decode().encode(encoding)
        path.write_bytes(b"".join(frame(text[at : at + 999]) for at in range(0, len(text), 999)))
        corpus = plan_corpus([str(path)], dialect=Dialect(encoding))
        assert (len(plan_units(corpus, unit_bytes=2000)) > 1) == bool(count)
        assert Found(corpus, 2000).texts == TEXT.decode().splitlines()


def test_a_frame_that_is_damaged_costs_one_row_and_its_own_lines(tmp_path):
    path = tmp_path / "a.txt.zst"
    stored = [frame(TEXT[at : at + 4000], write_checksum=True) for at in range(0, len(TEXT), 4000)]
    broken = bytearray(stored[3])
    broken[len(broken) // 2] ^= 0xFF
    path.write_bytes(b"".join([*stored[:3], bytes(broken), *stored[4:]]))
    found = Found(plan_corpus([str(path)]), 1)
    assert "zstd stream is corrupt" in found.only_error()
    lines = TEXT.decode().splitlines()
    assert found.texts[-1] == lines[-1]
    lost = TEXT[12_000:16_000].count(b"\n")
    assert len(lines) - lost - 2 <= len(found.texts) <= len(lines) - 1
    assert set(found.texts) < set(lines)
