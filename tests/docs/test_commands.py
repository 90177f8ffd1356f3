"""Every command and snippet of README.md and docs/ does what it says, or says what it needs."""

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs.site.commands import commands, parser_of
from pipelines.flags.beam_flags import beam_flags, unknown_to_beam
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, indented, words

# What a line of a block that is said to be no command begins with if it is one after all.
_COMMAND = re.compile(
    r"\$ |([A-Z_]+=\S+ )*(\S*/)?(python3?|pip|textbeam|docker|gcloud|git|curl|jq)\s"
    r"|import \w|from \w+ import "
)
_FLAG = re.compile(r"`(--[a-z]\w*)(?=[`=, ])")
# What changes a machine or needs others, and so is not run from a page.
_NOT_HERE = re.compile(r"(pip3?|uv|apt-get|sudo|docker|gcloud|git|curl|wget)\s|.*\bpip install\b")
# Options of other programs, which a page names by themselves.
_OF_OTHERS = {
    "docs/command_line.md": {"--model", "--output_dir", "--max_length"},
    "docs/dataflow.md": {"--if_exists"},
    "docs/gpus.md": {"--device", "--quick"},
    "docs/precision.md": {"--process"},
    "docs/scaling.md": {"--files", "--parts", "--read", "--texts", "--embed", "--repeats"},
    "docs/transforms.md": {"--rows"},
}


def is_at_the_head(block: Block) -> bool:
    """Whether it is a command before the first heading of the README, which .ci/run runs."""
    text = PAGES["README.md"].read_text("utf-8")
    before = text[: text.index("\n## ")].count("\n")
    return block.page == "README.md" and block.line <= before


def to_run(page: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.is_run and not is_at_the_head(block)]


def pages_to_run() -> list[Any]:
    found = []
    for page in PAGES:
        if blocks := to_run(page):
            slow = any(block.marker == "takes a minute" for block in blocks)
            found.append(pytest.param(page, marks=[pytest.mark.slow] if slow else []))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    for block in blocks_of(page):
        assert block.is_known, block.place
        if block.language not in ("sh", "python"):
            assert list(filter(_COMMAND.match, block.text.splitlines())) == [], block.place
        elif block.is_run and not is_at_the_head(block):
            assert list(filter(_NOT_HERE.match, block.lines)) == [], block.place
    assert list(filter(_COMMAND.match, indented(page))) == []


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_know_their_flags(page):
    for block in blocks_of(page):
        if block.language == "sh":
            for line in block.lines:
                if found := words(line):
                    command, *argv = found
                    parser = parser_of(command)
                    if {"--help", "--help_beam"} & set(argv):
                        continue
                    rest = parser.parse_known_args(argv)[1]
                    assert unknown_to_beam(rest) == [], block.place
                    assert not rest or "--help_beam" in parser.flags(), block.place


@pytest.fixture(scope="module")
def known_flags() -> set[str]:
    ours = {flag for command in commands() for flag in parser_of(command).flags()}
    return ours | set(beam_flags())


@pytest.mark.parametrize("page", PAGES)
def test_a_flag_that_a_page_names_is_one(page, known_flags):
    named = set(_FLAG.findall(PAGES[page].read_text("utf-8")))
    assert named - known_flags <= _OF_OTHERS.get(page, set())


@pytest.mark.parametrize("page", pages_to_run())
def test_the_commands_do_what_the_page_says(page, place):
    names: dict[str, Any] = {"__name__": "__main__"}
    said = None
    for block in blocks_of(page):
        if block in to_run(page):
            with io.StringIO() as out:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                    if block.language == "python":
                        exec(compile(block.text, block.place, "exec"), names)
                    else:
                        codes = [run(line, place) for line in block.lines]
                        assert not any(codes), (block.place, codes, out.getvalue())
                said = out.getvalue()
        elif block.language == "text" and said is not None and block.marker != "of another run":
            missing = shown(block.text) - shown(said)
            assert missing == set(), (block.place, said)
            said = None
        else:
            said = None


def shown(text: str) -> set[str]:
    """Returns the lines of an output, without what differs from one run to the next."""
    lines = {re.sub(r"\d[\d,.]*|\s+", " ", line).strip() for line in text.splitlines()}
    return lines - {"", "…"}


def run(line: str, place: Path) -> Any:
    """Runs a command, one of ours in this process, which has imported TensorFlow and Beam.

    Returns its exit code; what it says goes to where this process's output goes.
    """
    if re.fullmatch(r"python -m pipelines\.\w+[^|;&<>$]*", re.sub(r"'[^']*'", "", line)):
        command, *argv = words(line)
        try:
            return importlib.import_module(f"pipelines.{command}").main(argv)
        except SystemExit as stop:
            return stop.code
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    command = ["bash", "-euo", "pipefail", "-c", line]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode
