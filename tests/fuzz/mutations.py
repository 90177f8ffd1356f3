"""Damaging the content of a file at random."""

import random

_NUMBERS = (b"\0", b"\xff", b"\x80", b"\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff" * 8)
_MARKS = (
    *(b"\n", b"\r", b'"', b",", b"\t", b"\0", b"{", b"["),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"9" * 25),
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Returns the content with one to a few damages, most often one."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        chance.choice(_DAMAGES)(damaged, chance)
    return bytes(damaged)


def _place(content: bytearray, chance: random.Random) -> int:
    """Returns a place, more often near the ends, where formats say how long things are."""
    last = max(len(content) - 1, 0)
    near = min(last, 64)
    kind = chance.random()
    if kind < 0.1:
        return chance.randint(0, near)
    return last - chance.randint(0, near) if kind < 0.2 else chance.randint(0, last)


def _flip_bit(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance)] ^= 1 << chance.randrange(8)


def _set_byte(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance)] = chance.randrange(256)


def _set_number(content: bytearray, chance: random.Random) -> None:
    at, number = _place(content, chance), chance.choice(_NUMBERS)
    content[at : at + len(number)] = number


def _cut_end(content: bytearray, chance: random.Random) -> None:
    del content[_place(content, chance) :]


def _cut_out(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    del content[at : at + chance.choice((1, 2, 4, 8, 100))]


def _insert(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    inserted = chance.choice((*_MARKS, chance.randbytes(chance.choice((1, 2, 4, 8, 40)))))
    content[at:at] = inserted


def _repeat(content: bytearray, chance: random.Random) -> None:
    start = _place(content, chance)
    piece = content[start : start + chance.choice((1, 4, 16, 64, 500))]
    at = _place(content, chance) if chance.random() < 0.5 else start
    content[at:at] = piece * chance.choice((1, 1, 2, 50))


def _overwrite(content: bytearray, chance: random.Random) -> None:
    start, at = _place(content, chance), _place(content, chance)
    piece = content[start : start + chance.choice((1, 4, 8, 32))]
    content[at : at + len(piece)] = piece


_DAMAGES = (
    *(_flip_bit, _flip_bit, _flip_bit, _set_byte, _set_byte, _set_number),
    *(_cut_end, _cut_out, _insert, _repeat, _overwrite),
)
