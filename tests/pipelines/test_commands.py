"""The commands by their names: `textbeam NAME` and `python -m pipelines NAME`."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pipelines
from pipelines import __version__
from pipelines.__main__ import COMMANDS, purpose
from pipelines.__main__ import main as textbeam
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, run

HEAVY = ("apache_beam", "keras", "pyarrow", "tensorflow")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The console script as pip writes it."""
    path = tmp_path / "bin" / "textbeam"
    path.parent.mkdir()
    body = f"""#!{sys.executable}
import sys
from pipelines.__main__ import run
if __name__ == "__main__":
    sys.exit(run())
"""
    path.write_text(body)
    path.chmod(0o755)
    return path


def run_script(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )


def completed(script: Path, line: str, **environment: str) -> list[str]:
    """What bash is told of a line, by the function that `register-python-argcomplete` makes."""
    code = f"""
import contextlib, os, sys
sys.argv = [{str(script)!r}]
from pipelines.__main__ import run
os._exit = lambda code: sys.exit(code)
try:
    run()
finally:
    print([name for name in {HEAVY} if name in sys.modules])
"""
    answer = script.parent / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**ENVIRONMENT, **asked, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", (done.stdout, done.stderr)  # nothing heavy is imported
    return answer.read_text().split("\n")


# The table


def test_every_module_that_is_a_command_is_in_the_table():
    folder = Path(pipelines.__file__).parent
    found = {path.stem for path in folder.glob("*.py") if "\ndef main(" in path.read_text()}
    assert found - {"__main__"} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_purpose_of_a_command_is_one_line(command):
    said = purpose(command)
    assert said[0].isupper()
    assert 20 < len(said) < 100
    assert "\n" not in said
    assert "`" not in said
    assert not said.endswith(".")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["-h"], ["help"], ["help", "help"], ["help", "-h"]], ids=str
)
def test_the_commands_are_listed(arguments, tmp_path):
    found = run(textbeam, tmp_path, *arguments)
    assert (found.code, found.err) == (0, "")
    for command in COMMANDS:
        assert f"  {command}" in found.out
        assert purpose(command) in found.out


def test_the_versions_of_what_matters_are_told(tmp_path):
    found = run(textbeam, tmp_path, "--version")
    assert found.code == 0
    assert found.out.startswith(f"textbeam {__version__} (Python 3.")
    assert ", apache-beam 2." in found.out
    assert ", keras 3." in found.out


def test_help_of_a_command_may_be_asked_for_by_its_name(tmp_path):
    found = run(textbeam, tmp_path, "help", "verify")
    assert found.code == 0
    assert "verify [-h]" in found.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasify"], "there is no command 'clasify'; did you mean 'classify'? the commands are"),
        (["train"], "there is no command 'train'; did you mean 'finetune'?"),
        (["trian"], "there is no command 'trian'; did you mean 'finetune'?"),
        (["zzz"], "there is no command 'zzz'; the commands are 'classify', 'embed', "),
        (["--input=x"], "--input=x needs a command before it; the commands are 'classify'"),
        (["help", "clasify"], "there is no command 'clasify'; did you mean 'classify'?"),
        (["help", "train"], "there is no command 'train'; did you mean 'finetune'?"),
        (["help", "zzz", "verify"], "there is no command 'zzz'; the commands are 'classify', "),
        (["help", "--input=x"], "--input=x needs a command before it"),
    ],
    ids=str,
)
def test_what_is_no_command_is_said_in_one_line(arguments, message, tmp_path):
    assert run(textbeam, tmp_path, *arguments).error.startswith(message)


def test_the_list_and_the_versions_import_nothing_heavy():
    code = f"""
import sys
from pipelines.__main__ import main
main(["--help"]), main(["--version"]), main(["nothing"])
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# What an interrupt says

LEFT = [
    ("search", ["vectors/", "a query"], "transforms.vectors.stored.open_vectors", "nothing was ch"),
    ("report", ["out/"], "pipelines.reports.making.page_of", "no page was written"),
    ("report", ["out/"], "pipelines.report.say_outcome", "report.html is written"),
    ("verify", ["out/"], "transforms.writing.manifest.read_manifest", "begin again to know"),
    ("presets", ["list"], "models.presets.lookup.all_presets", "files that were fetched whole"),
    ("jobs", ["--project=p-roject", "--region=us-central1"], "pipelines.jobs._list", "nothing was"),
    ("classify", ["--input=a.txt"], "pipelines.classify.run_job", "nothing was added"),
]


@pytest.mark.parametrize(("command", "arguments", "at_work", "left"), LEFT, ids=str)
def test_an_interrupt_says_what_is_left_of_each_command(
    command, arguments, at_work, left, tmp_path, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipelines.reports.making.page_of", lambda place: "<!doctype html>")
    monkeypatch.setattr(at_work, interrupted)
    found = run(textbeam, tmp_path, command, *arguments)
    assert found.code == 130
    assert found.error_line.startswith(f"interrupted; {left}")
    assert (tmp_path / "report.html").exists() is left.endswith("is written")


# The script


def test_the_script_is_what_the_package_installs():
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.scripts]\ntextbeam = "pipelines.__main__:run"' in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_names_the_command_as_it_was_started(command, script):
    by_script = run_script(script, command, "--help")
    assert (by_script.returncode, by_script.stderr) == (0, "")
    assert by_script.stdout.startswith(f"usage: textbeam {command}")
    assert "python -m pipelines." not in by_script.stdout.partition("Apache Beam")[0]
    by_module = subprocess.run(
        [sys.executable, "-m", f"pipelines.{command}", "--help"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert by_module.stdout.startswith(f"usage: python -m pipelines.{command}")
    assert "textbeam" not in by_module.stdout.split("\n\n")[0]


def test_the_script_ends_as_a_command_does(script, tiny_preset, tmp_path):
    (tmp_path / "a.txt").write_text("good\nbad\n")
    flags = [f"--preset={tiny_preset}", f"--input={tmp_path}/a.txt", f"--output={tmp_path}/out"]
    done = run_script(script, "classify", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 rows labelled in")
    again = run_script(script, "classify", *flags)
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
    assert again.stderr.count("\n") == 1


# Completion


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("textbeam cl", ["classify"]),
        ("textbeam classify --to", ["--top_k"]),
        ("textbeam classify --precision=fl", ["--precision=float16", "--precision=float32"]),
        ("textbeam classify --if_exists o", ["overwrite"]),
        (
            "textbeam embed --preset=xlm",
            ["--preset=xlm_roberta_base", "--preset=xlm_roberta_large"],
        ),
        ("textbeam presets sh", ["show"]),
        ("textbeam presets show roberta_l", ["roberta_large"]),
        (
            "textbeam classify --input=pipelines/sample/re",
            ["--input=pipelines/sample/reviews.jsonl"],
        ),
        ("textbeam classify --output=pipelines/samp", ["--output=pipelines/sample/"]),
        ("textbeam classify --output=pipelines/sample/", [""]),  # no folder in it
        ("textbeam classify --text_column=", [""]),  # nobody knows, and it is no file
        ("textbeam finetune --lo", ["--log_format", "--lora_rank"]),
        ("textbeam verify pipelines/samp", ["pipelines/sample/"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shell_is_told_how_a_word_may_go_on(script, line, expected):
    assert sorted(completed(script, line)) == expected


def test_all_commands_and_all_flags_of_one_are_told(script):
    assert sorted(completed(script, "textbeam ")) == sorted(COMMANDS)
    flags = completed(script, "textbeam classify --")
    assert {"--input", "--probabilities", "--help_beam", "--quiet"} <= set(flags)


def test_a_preset_that_was_fetched_is_told_by_its_uri(script, cache):
    entry = cache / "presets" / "an-entry"
    entry.mkdir(parents=True)
    content = {"uri": "hf://owner/name", "source": "hf://owner/name@abc", "files": {}}
    (entry / "manifest.json").write_text(json.dumps(content))
    (cache / "presets" / "damaged").mkdir()
    (cache / "presets" / "damaged" / "manifest.json").write_text("{")
    found = completed(script, "textbeam embed --preset=hf", TEXTBEAM_CACHE=str(cache))
    assert found == ["--preset=hf://owner/name"]


@pytest.mark.skipif(not find_spec("argcomplete"), reason="needs argcomplete")
def test_bash_completes(script):
    """The function that bash calls on a tab, called as bash does."""
    body = """
eval "$("$PYTHON" -c 'import argcomplete; print(argcomplete.shellcode(["textbeam"]))')"
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete textbeam "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    for line, words in (("textbeam em", "embed "), ("textbeam classify --top", "--top_k ")):
        done = subprocess.run(
            ["bash", "-c", body, "bash", line],
            env={**ENVIRONMENT, "PATH": path, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == words.strip(), done.stderr
