"""The table of docs/checkpoint_kinds.md, made of the records."""

from pathlib import Path

from tests.checkpoints.kind import Kind
from tests.checkpoints.kinds import SECTIONS
from tests.checkpoints.texts import PAIRS, TEXTS

PAGE = Path(__file__).parents[2] / "docs" / "checkpoint_kinds.md"

_HEAD = f"""# Kinds of checkpoints

What becomes of Hugging Face's checkpoints, kind by kind. *Equal*: on {len(TEXTS)} texts of all
sorts, and on {len(PAIRS)} pairs where the kind is for pairs, no number is 1e-5 or more away from
that of sentence-transformers 6, or of transformers 5 for classifiers. *Refused*: one sentence,
before any work, with the exit code 2; the table has its telling part. Each row is a test on a tiny
copy with random weights, made by those libraries and saved as published ones are. The examples are
published checkpoints of the kind, not what was compared; a checkpoint is of several kinds, and
refused if one of them is.

| command | what it does |
|---|---|
| `python -m tests.checkpoints` | compares them all, a line a kind |
| `python -m tests.checkpoints --write` | writes this page |
| `python -m tests.checkpoints --reference=PYTHON` | with the versions of that interpreter |

None of the texts spells a special token: that is text here and special in transformers
([tokenizers.md](tokenizers.md)). *Before* says what transformers 4.57 and sentence-transformers 5.7
do where that is something else.
"""


def page() -> str:
    """Returns the page."""
    return "\n".join([_HEAD, *(_section(title, kinds) for title, kinds in SECTIONS.items())])


def _section(title: str, kinds: list[Kind]) -> str:
    rows = "".join(f"{_row(kind)}\n" for kind in kinds)
    return f"## {title}\n\n| kind | for example | outcome |\n|---|---|---|\n{rows}"


def _row(kind: Kind) -> str:
    cells = (_sentence(kind.what), "<br>".join(kind.examples), _outcome(kind))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _outcome(kind: Kind) -> str:
    found = f"refused: {kind.refused}" if kind.refused else "equal"
    return f"{found}. Before: {kind.before}" if kind.before else found
