import json
import subprocess
import sys
from typing import get_args

import pytest

from models.errors import UserError
from models.inference.precision import Precision
from models.windows import LONG_TEXTS
from pipelines import classify, embed, finetune, jobs, presets, verify
from pipelines.flags.flag_types import (
    Limit,
    columns,
    expand_home,
    fraction,
    names,
    positive,
    seed,
    share,
)
from pipelines.flags.options import Parser, add_beam_flags
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, run, run_process
from transforms.reading.formats.record import FORMATS
from transforms.writing.output import IfExists

HEAVY = ("apache_beam", "keras", "pyarrow", "tensorflow")


@pytest.fixture
def parser() -> Parser:
    parser = Parser("a-command", "Does something.", "examples: none")
    parser.add_argument("--rows", type=positive, default=1)
    parser.add_argument("--mode", choices=("fast", "slow"))
    add_beam_flags(parser)
    return parser


def modules_after(command: str) -> tuple[int, str, list[str]]:
    """Runs a command in a process; returns its exit code, its error and the heavy modules in it."""
    code = f"""
import contextlib, io, json, sys
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    try:
        code = {command}
    except SystemExit as stop:
        code = stop.code
print(json.dumps([code, err.getvalue(), [name for name in {HEAVY} if name in sys.modules]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stderr == ""
    return tuple(json.loads(done.stdout))


# Values


def test_columns_are_a_record_of_csv():
    assert columns("id, a b,é") == ["id", " a b", "é"]
    assert columns('"a,b",c,"say ""x"""') == ["a,b", "c", 'say "x"']
    assert columns("") == columns(" , ") == []
    with pytest.raises(Exception, match="cannot be read as a list of names"):
        columns("a\nb")


def test_a_positive_integer_is_nothing_else():
    assert positive("12") == 12
    with pytest.raises(Exception, match="must be below 9223372036854775808"):
        positive(str(2**63))
    for value in ("0", "-1", "1.5", "x", ""):
        with pytest.raises(Exception, match="must be a positive integer"):
            positive(value)


def test_a_fraction_lies_between_0_and_1():
    assert fraction("5e-4") == 0.0005
    for value in ("0", "1", "-0.1", "nan", "x"):
        with pytest.raises(Exception, match="must be between 0 and 1"):
            fraction(value)


def test_a_share_may_be_nothing_and_not_all():
    assert share("0") == 0
    for value in ("1", "-0.1", "nan", "x"):
        with pytest.raises(Exception, match="must be from 0 to below 1"):
            share(value)


def test_a_seed_is_one_that_every_generator_takes():
    assert seed("0") == 0
    for value in ("-1", str(2**32), "x"):
        with pytest.raises(Exception, match="must be an integer from 0"):
            seed(value)


def test_a_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    args = classify.make_parser().parse_args(["--input=~/a.txt", "--output=~/out", "--preset=~/p"])
    assert (args.input, args.output, args.preset) == (
        ["/home/me/a.txt"],
        "/home/me/out",
        "/home/me/p",
    )
    assert expand_home("gs://b/~/a.txt") == "gs://b/~/a.txt"


def test_names_are_separated_by_commas():
    assert names("id, title,,tag ") == ["id", "title", "tag"]


@pytest.mark.parametrize(
    ("limit", "most", "shown"), [("0", 0, "0"), ("3", 3, "3"), ("2.5%", 5, "2.5%"), ("0%", 0, "0%")]
)
def test_a_limit_is_a_number_of_rows_or_a_share(limit, most, shown):
    parsed = Limit.parse(limit)
    assert str(parsed) == shown
    assert parsed.allows(most, 200)
    assert not parsed.allows(most + 1, 200)


@pytest.mark.parametrize("value", ["-1", "1.5", "%", "x", "5 %", "101%"])
def test_a_limit_of_another_form_is_an_error(value):
    with pytest.raises(Exception, match="must be a number of rows or a share such as 1%"):
        Limit.parse(value)


# Flags


def test_options_of_beam_pass_through(parser):
    flags = ["--runner=DataflowRunner", "--project", "p", "--no_auth", "--experiments=a,b"]
    args, others = parser.parse(["--rows=3", *flags])
    assert args.rows == 3
    assert others == flags


def test_subcommands_have_flags_of_their_own(parser):
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("copy", description="Copies.").add_argument("--target")
    commands.add_parser("show", description="Shows.").add_argument("name")
    assert parser.parse_own(["copy", "--target=x"]).target == "x"
    assert parser.flags()[-1] == "--target"
    with pytest.raises(UserError, match="unknown option --targte; did you mean --target"):
        parser.parse_own(["copy", "--targte=x"])
    with pytest.raises(UserError, match="'b' is one argument too many"):
        parser.parse_own(["show", "a", "b"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rwos=3"], "unknown option --rwos; did you mean --rows?"),
        (["--runer=x"], "unknown option --runer; did you mean --runner?"),
        (["--zzzzzzzzzz"], "unknown option --zzzzzzzzzz; --help lists"),
        (["--row=3"], "did you mean --rows?"),  # no abbreviations: Beam has none either
        (["--runner_name=x"], "did you mean --runner?"),
        (["--rows=x"], "argument --rows: must be a positive integer, not 'x'"),
        (["--mode=last"], "invalid choice: 'last' (choose from"),
        (["--direct_num_workers=x"], "argument --direct_num_workers: invalid int value: 'x'"),
        (["--rows=3", "a.txt", "b.txt"], "'a.txt' belongs to no option; several files"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said_in_one_line(parser, flags, message, capsys):
    with pytest.raises(UserError) as caught:
        parser.parse(flags)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_a_command_without_beam_knows_its_own_flags_alone(parser):
    assert parser.parse_own(["--rows=2"]).rows == 2
    with pytest.raises(UserError, match=r"unknown option --project; --help lists the options"):
        parser.parse_own(["--project=p"])


def test_a_runner_that_cannot_work_is_refused_before_any_work(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--runner=NoSuchRunner")
    assert found.error.startswith("--runner=NoSuchRunner: ")
    assert "DataflowRunner" in found.error
    assert not found.folder.exists()


def test_the_flags_know_the_choices_that_there_are():
    flags = classify.make_parser()._option_string_actions
    assert flags["--input_format"].choices == FORMATS
    assert flags["--if_exists"].choices == get_args(IfExists)
    assert flags["--output_format"].choices == ("parquet", "csv", "jsonl")
    assert flags["--long_text"].choices == LONG_TEXTS
    assert flags["--precision"].choices == get_args(Precision)


def test_the_options_of_beam_are_listed(tmp_path):
    found = run(classify.main, tmp_path, "--help_beam")
    assert found.code == 0
    assert "--direct_num_workers" in found.out
    assert "--temp_location" in found.out


# Time


@pytest.mark.parametrize("command", [classify, embed, finetune, jobs, presets, verify])
def test_help_shows_our_flags_and_imports_nothing_heavy(command):
    name = command.__name__
    code, err, heavy = modules_after(f"__import__({name!r}, fromlist=['main']).main(['--help'])")
    assert (code, err, heavy) == (0, "", [])


def test_help_of_the_process(tmp_path):
    found = run_process("classify", tmp_path, "--help")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("usage: python -m pipelines.classify")
    assert all(flag in found.out for flag in ("--input", "--if_exists", "--help_beam", "examples:"))


def test_more_labels_than_there_are_is_refused_before_any_work(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--top_k=99")
    assert found.error.startswith("--top_k=99 is more than preset '")
    assert found.error.endswith("' has: 2 labels")
    assert not found.folder.exists()


def test_a_usage_error_of_the_process_is_one_line(tmp_path):
    found = run_process("classify", tmp_path, "--input=a.txt", "--output=out", "--top_k=0")
    assert found.error == "argument --top_k: must be a positive integer, not '0'"
    assert found.out == ""


def test_usage_errors_import_neither_beam_nor_tensorflow(tiny_preset, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "part-00000-of-00001.parquet").write_text("x")
    given = [f"--input={tmp_path}/a.txt", f"--output={tmp_path}/out", f"--preset={tiny_preset}"]
    for flags, message in (
        (["--precision=int4"], "invalid choice: 'int4'"),
        (["--input=nothing-here.txt"], "no such file or folder"),
        (["--text_column=body"], "no column 'body'"),
        (["--sequence_length=1"], "no room for text"),
        (["--preset=nothing-here"], "is not a folder, a URI"),
        ([f"--output={tmp_path}/full"], "1 part files and no _MANIFEST.json"),
    ):
        call = f"__import__('pipelines.classify', fromlist=['main']).main({[*given, *flags]})"
        code, err, heavy = modules_after(call)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
        assert not {"apache_beam", "keras", "tensorflow"} & set(heavy)
    assert not (tmp_path / "out").exists()
