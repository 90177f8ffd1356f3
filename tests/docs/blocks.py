"""The blocks of code in README.md and the pages of docs/, and what is said of each.

A comment before a block says how it is meant:

    <!-- needs NAME -->               run where a program or a package has this name; of what
                                      needs "a cloud" or the like the flags alone are checked
    <!-- takes a minute -->           run, with its page, among the slow tests
    <!-- run before an emulator -->   run by tests/deploy/test_documents.py
    <!-- of another run -->           an output that is not that of the block before it
"""

import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "docs").glob("*.md"))}
PAGES["README.md"] = ROOT / "README.md"

LANGUAGES = {"sh", "python", "text", "json", "csv", "hcl"}
_NEEDS = re.compile(r"needs (.+)")
_MARKERS = {"takes a minute", "run before an emulator", "of another run"}
_BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        page: The page.
        line: Of its first line in the page.
        language: What stands behind the first fence.
        marker: What the comment before it says; empty if there is none.
        text: The lines.
    """

    page: str
    line: int
    language: str
    marker: str
    text: str

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.page}:{self.line}"

    @property
    def is_known(self) -> bool:
        """Whether language and marker are among those that mean something."""
        needs = _NEEDS.fullmatch(self.marker) is not None
        return self.language in LANGUAGES and (not self.marker or needs or self.marker in _MARKERS)

    @property
    def is_run(self) -> bool:
        """Whether it is run here."""
        needs = _NEEDS.fullmatch(self.marker)
        if self.language not in ("sh", "python") or self.marker == "run before an emulator":
            return False
        return needs is None or _is_here(needs[1])

    @property
    def lines(self) -> list[str]:
        """The commands of a shell's block, each with the lines that it goes on over.

        `textbeam NAME` is `python -m pipelines.NAME`, for tests in which no script is installed.
        """
        whole = self.text.replace("\\\n", " ")
        spelled = re.sub(r"^textbeam (?=[a-z])", "python -m pipelines.", whole, flags=re.MULTILINE)
        spelled = re.sub(r"^textbeam\b", "python -m pipelines", spelled, flags=re.MULTILINE)
        return [line for line in spelled.splitlines() if line.strip()]


def _is_here(name: str) -> bool:
    """Whether there is a program or a package of this name."""
    return shutil.which(name) is not None or (name.isidentifier() and find_spec(name) is not None)


def blocks_of(page: str) -> list[Block]:
    """Returns the blocks of a page in their order."""
    text = PAGES[page].read_text("utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["marker"] or "",
            found["text"],
        )
        for found in _BLOCK.finditer(text)
    ]


def indented(page: str) -> list[str]:
    """Returns the lines of blocks that are indented instead, which nothing runs."""
    text = _BLOCK.sub("", PAGES[page].read_text("utf-8"))
    blocks = re.findall(r"(?<=\n\n)(?: {4}.*\n)+", text)
    return [line.strip() for block in blocks for line in block.splitlines()]


def words(line: str) -> list[str]:
    """Returns the words of a command that calls one of ours, from its name on; else none.

    What stands around it, such as a pipe or `&&`, is left out.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if set(word) <= set("|&;<>()") and found:
            break
        if found:
            found.append(word)
        elif word.startswith("pipelines."):
            found = [word.removeprefix("pipelines.")]
    return found
