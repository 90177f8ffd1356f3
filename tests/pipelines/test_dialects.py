"""Files whose delimiter, quote or encoding is not the usual one, from the flag to the manifest."""

import argparse

import pytest

from pipelines import finetune
from pipelines.flags import flag_types
from pipelines.verify import main as verify
from tests.pipelines.command_runs import run

WESTERN = "text;id\ntrès bien;1\nnaïve;2\n".encode("cp1252")


def test_how_a_file_was_read_is_in_the_manifest_and_in_the_summary(classify, tmp_path):
    (tmp_path / "a.csv").write_bytes(WESTERN)
    (tmp_path / "b.csv").write_text("id,text\n3,good; really\n")
    found = classify(f"--input={tmp_path}/*.csv")
    assert (found.code, found.err) == (0, "")
    assert found.column("text") == ["très bien", "naïve", "good; really"]
    assert [entry["dialect"] for entry in found.manifest["inputs"]] == [
        {"encoding": "cp1252", "delimiter": ";", "quote": '"'},
        {"encoding": "utf-8", "delimiter": ",", "quote": '"'},
    ]
    assert 'read as  1 file: cp1252, fields parted by semicolon, quoted with "' in found.out
    assert verify([str(found.folder), f"--input={tmp_path}/*.csv"]) == 0


def test_flags_are_followed_and_an_update_must_have_the_same(classify, tmp_path, capsys):
    path = tmp_path / "a.tsv"
    path.write_bytes("text;n\n'très; bien';1\n".encode("cp1252"))
    flags = (f"--input={path}", "--encoding=latin-1", "--delimiter=;", "--quote='")
    found = classify(*flags)
    assert found.column("text") == ["très; bien"]
    assert verify([str(found.folder), f"--input={path}"]) == 0
    assert "up to date" in classify(*flags, "--if_exists=update").out
    path.with_name("b.tsv").write_text("text\nx\n")
    for other, said in {
        "--delimiter=|": "had delimiter ;, this one has |",
        "--quote=none": "had quote ', this one has ",
        "--encoding=cp1252": "had encoding iso8859-1, this one has cp1252",
        "--input_format=csv": "had input_format none, this one has csv",
    }.items():
        refused = classify(*flags, other, "--if_exists=update")
        assert refused.code == 2
        assert said in refused.error


def test_a_run_of_many_units_reads_each_as_planned(classify, tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.reading.units._LEAST_BYTES", 100)
    (tmp_path / "a.csv").write_bytes(WESTERN + b'"l\xe0, "" b\n";3\n' * 40)
    found = classify(f"--input={tmp_path}/a.csv")
    assert found.column("text") == ["très bien", "naïve"] + ['là, " b\n'] * 40
    assert found.column("position") == list(range(42))
    assert found.manifest["rows"]["read"] == 42


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[\n  {"text": "a"}\n]\n', "is not JSON Lines, one object per line, but an array over"),
        ('{\n  "text": "a"\n}\n', "but an object over several lines: write each object on one"),
    ],
)
def test_json_of_another_layout_is_one_line_and_exit_code_2(classify, tmp_path, content, message):
    (tmp_path / "a.jsonl").write_text(content)
    refused = classify(f"--input={tmp_path}/a.jsonl")
    assert refused.code == 2
    assert message in refused.error_line


def test_an_uncertain_encoding_is_one_line_and_exit_code_2(classify, tmp_path):
    (tmp_path / "a.csv").write_bytes("text\nПривет мир это очень хороший фильм\n".encode("cp1251"))
    refused = classify(f"--input={tmp_path}/a.csv")
    assert refused.code == 2
    assert "name its encoding, which may be --encoding=cp1251" in refused.error_line
    followed = classify(f"--input={tmp_path}/a.csv", "--encoding=Windows-1251")
    assert followed.column("text") == ["Привет мир это очень хороший фильм"]


@pytest.mark.parametrize(
    ("parse", "value", "result"),
    [
        (flag_types.delimiter, "tab", "\t"),
        (flag_types.delimiter, "\\t", "\t"),
        (flag_types.delimiter, "\t", "\t"),
        (flag_types.delimiter, ";", ";"),
        (flag_types.delimiter, "§", "§"),
        (flag_types.quote, "'", "'"),
        (flag_types.quote, "none", ""),
        (flag_types.encoding, "Latin1", "iso8859-1"),
    ],
)
def test_a_dialect_is_written_in_several_ways(parse, value, result):
    assert parse(value) == result


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (flag_types.delimiter, "", "must be one character, or tab, not ''"),
        (flag_types.delimiter, "ab", "must be one character"),
        (flag_types.delimiter, '"', "must be one character"),
        (flag_types.delimiter, "\n", "must be one character"),
        (flag_types.quote, "a", "must be one character, such as"),
        (flag_types.quote, "", "or none, not ''"),
        (flag_types.quote, "«", "must be one character, such as"),
        (flag_types.encoding, "utf-9", "unknown encoding 'utf-9'; some that are known"),
        (flag_types.encoding, "utf-7", "cannot be cut into lines"),
    ],
)
def test_what_is_no_dialect_says_what_is_one(parse, value, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse(value)


def test_finetuning_reads_the_same_files(tmp_path):
    rows = "".join(f"très {i};{'ab'[i % 2]}\n" for i in range(3))
    (tmp_path / "a.csv").write_bytes(f"text;label\n{rows}".encode("cp1252"))
    flags = [f"--input={tmp_path}/a.csv", "--preset=sentiment_tiny_en", "--delimiter=|"]
    flags.append(f"--output={tmp_path}/out")
    refused = run(finetune.main, tmp_path / "out", *flags)
    assert refused.code == 2
    assert "no column 'text' for --text_column" in refused.error
    refused = run(finetune.main, tmp_path / "out", *flags[:2], flags[3], "--label_column=n")
    assert refused.code == 2
    assert "no column 'n' for --label_column in " in refused.error
    assert "which has 'text', 'label'" in refused.error
