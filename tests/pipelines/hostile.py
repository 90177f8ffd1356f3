"""Names that would steer a terminal, flood it, or turn round what stands beside them."""

HOSTILE = {
    "colour": "a\x1b[31mb",
    "title": "a\x1b]0;owned\x07b",
    "link": "a\x1b]8;;https://evil.example\x1b\\b\x1b]8;;\x1b\\",
    "one byte csi": "a\x9b31mb",
    "bidi": "a\u202egpj.b",
    "isolate": "a\u2066b\u2069",
    "nul": "a\0b",
    "carriage return": "a\rerror: b",
    "markup": "a[link=https://evil.example]b[/link][/]",
}
LONG = "x" * 1_000_000


def assert_harmless(text: str, most: int = 20_000) -> None:
    """Nothing but printable characters and line ends, and no flood."""
    bad = {character for character in text if not character.isprintable()} - {"\n"}
    assert not bad, [hex(ord(character)) for character in bad]
    assert len(text) < most
