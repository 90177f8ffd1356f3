"""The commands of docs/dataflow.md, as they are written there."""

import re

from tests.deploy.files import ROOT

TEXT = (ROOT / "docs" / "dataflow.md").read_text()


def blocks(kind: str = "") -> list[str]:
    """Returns what stands between fences of a kind, with continued lines joined."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [re.sub(r" \\\n\s+", " ", block).strip() for of, block in found if of == kind]


def block_with(beginning: str) -> str:
    """Returns the one block that begins so."""
    (found,) = (block for block in blocks() if block.startswith(beginning))
    return found
