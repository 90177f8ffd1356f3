"""The commands of docs/dataflow.md, as they are written there."""

import re

from tests.docs.blocks import PAGES, blocks_of

PAGE = "docs/dataflow.md"
TEXT = PAGES[PAGE].read_text("utf-8")


def run_here() -> list[str]:
    """Returns the commands that are run before an emulator, each in one line."""
    return [
        line
        for block in blocks_of(PAGE)
        if block.marker == "run before an emulator"
        for line in block.lines
    ]


def block_with(beginning: str) -> str:
    """Returns the one block that begins so, with continued lines joined."""
    (found,) = (block.text for block in blocks_of(PAGE) if block.text.startswith(beginning))
    return re.sub(r" \\\n\s+", " ", found).strip()
