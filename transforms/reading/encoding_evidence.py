"""Which encoding a file of text is in, by what samples of it show.

A byte order mark settles it. Else a file is UTF-8, the bytes in it that are not being broken rows,
unless its samples speak for Windows-1252, the encoding of Western Europe (Latin-1 is a part of it),
and for nothing else. Who would have to guess refuses, and names the flag.
"""

import re
from contextlib import suppress
from dataclasses import dataclass

from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.reading.decompress import BrokenStreamError, InputStream, compression_suffix
from transforms.reading.dialect import UTF_8
from transforms.reading.encoding import marked_encoding, named_encoding

WESTERN = "cp1252"

SAMPLE_BYTES = 64 << 10
"""Bytes that are looked at in the head, in the middle and at the end of a file."""

# The accented letters of the languages of Western Europe; a line is in one of them. Not among them
# are š ž ý þ ð, whose bytes are frequent letters of the East of Europe and of Turkey.
_ALPHABETS = (
    "àâæçèéêëîïôœùûü",  # French
    "äöüßéà",  # German
    "áéíóúüñ",  # Spanish
    "áâãàçéêíóôõúü",  # Portuguese
    "àèéìîòóù",  # Italian
    "àçèéíïòóúü",  # Catalan
    "áèéêëïíóöúü",  # Dutch
    "æøåéèòóôäöü",  # Danish and Norwegian
    "åäöéàü",  # Swedish and Finnish
)
_LETTERS = frozenset("".join(_ALPHABETS))
_SIGNS = frozenset("’‘“”„–—…€«»°·•¿¡£§©®™×\xa0\xad½¼²³ªº´")
_JOINING = frozenset("’‘´·\xad")  # signs that stand inside of a word
_ORDINALS = frozenset("ªº")
_NUMBERED = ("n", "N")  # nº 5

_CLEAR_BYTES = 8
"""So many bytes that are no UTF-8 are no accident, if all of them make sense in one encoding."""

_LARGE_SHARE = 0.3
"""Nor are a few bytes in such a share of the lines; a single one may be, in whatever file."""

_FEW_BYTES = 2
_SMALL_SHARE = 0.02
"""So few bytes in a smaller share of the lines are an accident."""

_MIXED = 20  # times as many bytes that are no UTF-8 as letters that are, for another encoding
_MOST_LINES = 0.8  # share of lines whose letters are all of one language
_MOST_STRANGE = 0.03  # share of the letters of a Western text that need not be Western
_GUESSED_BYTES = 16 << 10
_PROPOSED = [
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp932", "gb18030", "big5", "cp949"),
]
_WIDE_NULS = 0.3  # share of NULs in every second byte, for UTF-16 without a byte order mark


@dataclass(frozen=True)
class Sample:
    """What was looked at of a file.

    Attributes:
        path: The file.
        head: Its first bytes, decompressed.
        others: Bytes from its middle and its end, if it is large and not compressed.
        is_whole: Whether the head is all of it.
    """

    path: str
    head: bytes
    others: tuple[bytes, ...]
    is_whole: bool


def take_sample(file: CorpusFile) -> Sample:
    """Looks at a file.

    Raises:
        OSError: It cannot be read.
    """
    with InputStream(file) as stream:
        try:
            head = stream.read(SAMPLE_BYTES + 1)
        except BrokenStreamError:
            head = b""  # what is broken is reported when it is read
        is_whole = len(head) <= SAMPLE_BYTES
        others = []
        if not is_whole and not compression_suffix(file.path):
            for start in (file.size // 2, file.size - SAMPLE_BYTES):
                if start >= SAMPLE_BYTES:
                    stream.seek(start - start % 4)
                    others.append(stream.read(SAMPLE_BYTES))
    return Sample(file.path, head[:SAMPLE_BYTES], tuple(others), is_whole)


def find_encoding(sample: Sample, asked: str | None, is_always_utf_8: bool = False) -> str:
    """Returns the encoding of a file.

    Args:
        sample: What was looked at of it.
        asked: What the user said; a byte order mark goes before it.
        is_always_utf_8: Whether the format is UTF-8 by its standard, where no mark says otherwise.

    Raises:
        InputError: It is uncertain, or there are no newlines.
    """
    known = marked_encoding(sample.head) or asked
    wide = None if known else _wide_without_mark(sample.head)
    if wide:
        raise InputError(
            f"{sample.path!r} seems to be {wide} without a byte order mark: if it is, name it with "
            f"--encoding={wide}, and else with --encoding={UTF_8}"
        )
    _check_line_ends(sample, known or UTF_8)
    return known or (UTF_8 if is_always_utf_8 else _by_evidence(sample))


def _check_line_ends(sample: Sample, encoding: str) -> None:
    """Raises `InputError` if lines end in carriage returns alone: the file would be one line."""
    if b"\n" not in sample.head and "\r" in sample.head.decode(encoding, "ignore"):
        raise InputError(
            f"the lines of {sample.path!r} end in carriage returns alone: write newlines instead, "
            "for example with tr '\\r' '\\n'"
        )


def _wide_without_mark(head: bytes) -> str | None:
    """Returns which kind of UTF-16 a head of Western text would be, or None."""
    pairs = len(head) // 2
    if pairs < 4:
        return None
    even, odd = head[::2].count(0) / pairs, head[1::2].count(0) / pairs
    if head[1:4:2] == b"\0\0" and odd > _WIDE_NULS and even < odd / 10:
        return "utf-16-le"
    if head[0:3:2] == b"\0\0" and even > _WIDE_NULS and odd < even / 10:
        return "utf-16-be"
    return None


def _by_evidence(sample: Sample) -> str:
    pieces = [sample.head, *sample.others]
    found = [_look(piece) for piece in pieces]
    letters, wrong, lines = (
        sum(getattr(look, name) for look in found) for name in ("letters", "wrong", "lines")
    )
    wrong_lines = [line for look in found for line in look.wrong_lines]
    share = len(wrong_lines) / lines
    if letters >= wrong or wrong == 1:
        return UTF_8
    is_western = _is_western(wrong_lines)
    is_clear = wrong >= _CLEAR_BYTES or share >= _LARGE_SHARE
    if letters * _MIXED <= wrong:
        if is_western and is_clear:
            return WESTERN
        if wrong <= _FEW_BYTES and not (is_western and share >= _SMALL_SHARE):
            return UTF_8
        if not is_western and not (is_clear and share >= _SMALL_SHARE):
            return UTF_8
    raise _doubt(sample.path, wrong_lines, lines, is_western)


@dataclass(frozen=True)
class _Look:
    """What a piece of a file shows of UTF-8.

    Attributes:
        letters: Letters of more than one byte.
        wrong: Bytes that are no UTF-8.
        lines: Number of lines.
        wrong_lines: Those with such bytes.
    """

    letters: int
    wrong: int
    lines: int
    wrong_lines: list[bytes]


def _look(piece: bytes) -> _Look:
    is_ascii = piece.isascii()
    lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
    if is_ascii:
        return _Look(0, 0, lines, [])
    # A piece may begin and end within a letter.
    begin = next((i for i in range(min(3, len(piece))) if piece[i] & 0xC0 != 0x80), 0)
    end = len(piece)
    for back in range(1, min(4, end)):
        if piece[end - back] & 0xC0 != 0x80:
            end -= back if piece[end - back] >= 0xC0 and back < _length(piece[end - back]) else 0
            break
    text = piece[begin:end].decode("utf-8", "surrogateescape")
    wrong = len(_ESCAPED.findall(text))
    wrong_lines = [line for line in text.split("\n") if _ESCAPED.search(line)] if wrong else []
    return _Look(
        len(_FOREIGN.findall(text)),
        wrong,
        lines,
        [line.encode("utf-8", "surrogateescape") for line in wrong_lines],
    )


_ESCAPED = re.compile("[\udc80-\udcff]")
_FOREIGN = re.compile("[^\x00-\x7f\udc80-\udcff]")


def _length(lead: int) -> int:
    """Returns how many bytes a letter of UTF-8 has, by its first."""
    return 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _is_western(lines: list[bytes]) -> bool:
    """Returns whether lines make sense as Windows-1252."""
    try:
        texts = [line.decode(WESTERN) for line in lines]
    except UnicodeDecodeError:
        return False
    strange = sum(map(_strange_letters, texts))
    foreign = sum(letter > "\x7f" for text in texts for letter in text)
    if strange > _MOST_STRANGE * foreign:
        return False
    text = "\n".join(texts).lower()
    # In the encoding of Central Europe these are ő and ű, and the other letters are the same.
    if text.count("õ") > text.count("ã"):
        return False
    accented = "".join(word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
    if sum(letter > "\x7f" for letter in accented) > len(accented) / 2:
        return False
    return sum(map(_fits_a_language, texts)) >= _MOST_LINES * len(texts)


def _strange_letters(text: str) -> int:
    places = (place for place, letter in enumerate(text) if letter > "\x7f")
    return sum(not _makes_sense(text, place) for place in places)


def _makes_sense(text: str, place: int) -> bool:
    letter = text[place]
    if letter.lower() in _LETTERS:
        return True
    if letter not in _SIGNS:
        return False
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    if letter in _ORDINALS:
        return before.isdigit() or before in _NUMBERED
    return letter in _JOINING or not (before.isalpha() and after.isalpha())


def _fits_a_language(text: str) -> bool:
    letters = _LETTERS.intersection(text.lower())
    return any(letters <= alphabet for alphabet in map(frozenset, _ALPHABETS))


def _guess(data: bytes) -> str | None:
    """Returns what a library takes bytes for; for a proposal, since it is often wrong."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_GUESSED_BYTES], cp_isolation=_PROPOSED).best()
    if best is not None and best.encoding in _PROPOSED:
        with suppress(ValueError):
            return named_encoding(best.encoding)
    return None


def _doubt(path: str, wrong_lines: list[bytes], lines: int, is_western: bool) -> InputError:
    guess = WESTERN if is_western else _guess(b"\n".join(wrong_lines))
    proposed = f", which may be --encoding={guess}" if guess else ""
    return InputError(
        f"{path!r} is not UTF-8 in {len(wrong_lines):,} of the {lines:,} lines that were looked "
        f"at: name its encoding{proposed}; with --encoding={UTF_8} the rows that are not are "
        "rejected"
    )
