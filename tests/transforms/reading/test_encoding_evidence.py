import random

import pytest

from tests.transforms.reading.reading import COMPRESS, read
from transforms.errors import InputError
from transforms.files import local_file
from transforms.reading.corpus import plan_corpus
from transforms.reading.dialect import Dialect
from transforms.reading.encoding_evidence import SAMPLE_BYTES, Sample, find_encoding, take_sample

WESTERN = {
    "French": "L'été dernier nous étions déçus ; ça va, à bientôt – « cité », 5 €",
    "German": "Das Hotel war schön und die Straße ruhig für Gäste, überall Bäume",
    "Spanish": "El niño comió mañana en España, ¿qué pasó? ¡Qué bien! 1º",
    "Portuguese": "A refeição não era boa, mas as crianças gostaram das opções",
    "Italian": "Perché il film è così bello? Però è già finito, in città",
    "Dutch": "Een film, één van de beste, officiële reünie, coördinatie",
    "Danish": "En god film på søndag, også for små børn; ærlig talt",
    "Swedish": "En mycket bra film för både stora och små åskådare",
    "Finnish": "Tämä oli erittäin hyvä elokuva, söin jäätelöä",
    "quotes": "It’s a “great” film – really… see café",
}
EASTERN = {
    "cp1250": [
        "Zażółć gęślą jaźń, bardzo dobry film, który polecam każdemu",
        "Příliš žluťoučký kůň úpěl ďábelské ódy",
        "Nagyon jó film, őszintén ajánlom, szereti a tűzijátékot és történelmet",
        "Un film foarte bun şi frumos, aş dori să îl văd încă o dată în oraş",
        "Slovenská mäta je dobrá, páči sa mi",
        "Vrlo dobar film, preporučujem svima, žao mi je što nisam došao kući",
    ],
    "iso8859-2": ["Zażółć gęślą jaźń, bardzo dobry film, który polecam każdemu"],
    "cp1257": ["Labai geras filmas, žiūrėti, ačiū už gražią šventę"],
    "cp1251": ["Привет мир, это очень хороший фильм"],
    "koi8-r": ["Привет мир, это очень хороший фильм"],
    "cp1253": ["Αυτή η ταινία ήταν πολύ καλή"],
    "cp1254": ["Çok güzel bir film, ışık ve ses şahane, İstanbul'da ağaç"],
    "cp1255": ["סרט טוב מאוד, מומלץ לכולם"],
    "cp1256": ["فيلم جيد جدا أنصح به الجميع"],
    "cp850": ["Très bien, L'été était chaud, naïve déçu à côté"],
    "mac-roman": ["Très bien, L'été était chaud, naïve déçu"],
    "cp932": ["この映画はとても面白かったです。また見たいと思います"],
    "gbk": ["这部电影非常好看，我还想再看一遍"],
    "big5": ["這部電影非常好看，我還想再看一遍"],
    "euc_kr": ["이 영화는 정말 재미있었습니다. 다시 보고 싶어요"],
}
OTHERS = [(encoding, text) for encoding, texts in EASTERN.items() for text in texts]


def encoding_of(data: bytes) -> str:
    return find_encoding(Sample("a.txt", data, (), True), None)


@pytest.mark.parametrize("language", WESTERN)
@pytest.mark.parametrize("lines", [1, 500])
def test_the_languages_of_western_europe_are_read(language, lines):
    text = f"text\n{WESTERN[language]}\nplain\n" * lines
    assert encoding_of(text.encode("cp1252")) == "cp1252"
    assert encoding_of(text.encode()) == "utf-8"


@pytest.mark.parametrize(("encoding", "text"), OTHERS, ids=lambda value: value[:9])
@pytest.mark.parametrize("lines", [1, 200])
def test_every_other_encoding_is_refused_rather_than_guessed(encoding, text, lines):
    with pytest.raises(InputError, match=r"'a.txt' is not UTF-8 in .* name its encoding") as error:
        encoding_of((f"{text}\n" * lines).encode(encoding))
    assert "--encoding=utf-8 the rows that are not are rejected" in str(error.value)
    assert encoding_of((f"{text}\n" * lines).encode()) == "utf-8"


@pytest.mark.parametrize("encoding", ["cp1251", "cp1253", "cp932", "euc_kr"])
def test_what_a_library_takes_a_file_for_is_proposed(encoding):
    text = f"{EASTERN[encoding][0]}\n"
    family = {"euc_kr": "cp949"}.get(encoding, encoding)
    with pytest.raises(InputError, match=f"may be --encoding={family}"):
        encoding_of(text.encode(encoding))


PLAIN = b"a plain line of text\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN * 1500 + b"caf\xe9\n" + PLAIN * 1500,  # a broken byte
        PLAIN * 1500 + b"caf\xe9 \xe9\n" + PLAIN * 1500,
        b"text\ncaf\xe9\n",  # which a single byte leaves open
        "très bien\n".encode() * 10 + b"\xe2\x82\n" * 5,  # broken letters among whole ones
        "très bien\n".encode() * 20 + "très bien\n".encode("cp1252") * 10,
        b"one\nt\xffo\r\nthree\n\xe2\x82",
        b"\xff\xfe\none\ntwo\n",
        b"\x80\x80\nplain\n",
        b"",
        b"\n",
    ],
)
def test_broken_bytes_in_utf_8_do_not_make_it_another_encoding(data):
    assert encoding_of(data) == "utf-8"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN * 1500 + b"caf\xe9\n" * 5 + PLAIN * 1500,
        PLAIN * 10 + b"caf\xe9\n" * 2,
        "très bien\n".encode() * 10 + "très bien\n".encode("cp1252") * 15,
        bytes(random.Random(0).randrange(256) for _ in range(5000)),
    ],
)
def test_who_would_guess_refuses(data):
    with pytest.raises(InputError, match="name its encoding"):
        encoding_of(data)


def test_few_accents_in_many_lines_are_enough_if_they_are_no_accident():
    data = PLAIN * 1500 + "café à côté, déjà là-bas, très drôle\n".encode("cp1252") + PLAIN * 1500
    assert encoding_of(data) == "cp1252"


def test_a_letter_that_a_sample_cuts_is_not_broken(tmp_path):
    path = tmp_path / "a.txt"
    for shift in range(4):
        path.write_bytes(b"x" * shift + "日本".encode() * SAMPLE_BYTES)
        assert find_encoding(take_sample(local_file(str(path))), None) == "utf-8"


def test_the_middle_and_the_end_of_a_file_are_looked_at(tmp_path):
    path = tmp_path / "a.txt"
    accents = "L'été était chaud, déjà à côté, très drôle\n".encode("cp1252")
    for content in (PLAIN * 9000 + accents, PLAIN * 5000 + accents + PLAIN * 4900):
        path.write_bytes(content)
        assert plan_corpus([str(path)]).files[0].dialect.encoding == "cp1252"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_byte_order_mark_must_be_named(tmp_path, encoding):
    data = "text,n\na,1\n".encode(encoding)
    for name in ("a.csv", "a.txt", "a.jsonl"):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"seems to be {encoding} without a byte order mark"):
            plan_corpus([str(path)])
    assert read(tmp_path / "a.csv", dialect=Dialect(encoding)).texts == ["a"]


def test_each_file_is_looked_at_by_itself(tmp_path):
    (tmp_path / "1.txt").write_bytes("très déjà\n".encode("cp1252"))
    (tmp_path / "2.txt").write_text("très déjà\n")
    (tmp_path / "3.txt").write_bytes("très déjà\n".encode("utf-16"))
    found = read(tmp_path)
    assert found.texts == ["très déjà"] * 3
    named = [file.dialect.encoding for file in plan_corpus([str(tmp_path)]).files]
    assert named == ["cp1252", "utf-8", "utf-16-le"]


def test_a_byte_order_mark_goes_before_what_the_user_said(tmp_path):
    found = read(tmp_path / "a.txt", "\ufeffé\n".encode(), dialect=Dialect("cp1252"))
    assert found.texts == ["é"]


def test_a_named_encoding_is_followed_and_its_broken_rows_are_rejected(tmp_path):
    data = "Привет\n".encode("cp1251") + b"\x98x\n" + "мир".encode("cp1251")
    found = read(tmp_path / "a.txt", data, dialect=Dialect("cp1251"))
    assert found.texts == ["Привет", "мир"]
    assert found.column("position") == [0, 10]
    assert found.raws == [b"\x98x"]
    assert found.only_error() == "invalid cp1251: byte 0x98 at offset 0"


def test_utf_8_that_was_named_is_not_doubted(tmp_path):
    data = "très bien\nplain\n".encode("cp1252")
    found = read(tmp_path / "a.txt", data, dialect=Dialect("utf-8"))
    assert found.texts == ["plain"]
    assert found.only_error() == "invalid UTF-8: byte 0xe8 at offset 2"


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_compressed_file_is_looked_into(tmp_path, suffix):
    stored = COMPRESS[suffix]("text;n\ntrès déjà;1\n".encode("cp1252"))
    found = read(tmp_path / f"a.csv.{suffix}", stored)
    assert found.texts == ["très déjà"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "one\rtwo"),
        ("a.csv", "text,n\rone,1\r"),
        ("a.tsv", "text\tn\rone\t1\r"),
        ("a.jsonl", '{"text": "one"}\r{"text": "two"}\r'),
    ],
    ids=["text", "csv", "tsv", "jsonl"],
)
def test_lines_that_end_in_carriage_returns_alone_are_told_with_the_way_out(
    tmp_path, name, content, encoding
):
    (tmp_path / name).write_bytes(content.encode(encoding))
    with pytest.raises(InputError, match=r"the lines of .* alone: .* with tr '\\r' '\\n'\Z"):
        plan_corpus([str(tmp_path / name)])


def test_a_carriage_return_among_newlines_is_a_character(tmp_path):
    assert read(tmp_path / "a.txt", "one\rtwo\nthree").texts == ["one\rtwo", "three"]
