"""The record of a kind of checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from tests.checkpoints.steps import Step


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint: a folder like those published, and what must come of it.

    Attributes:
        name: Its name in commands.
        what: What is special about it, for the table.
        examples: Published checkpoints that are of this kind.
        steps: What makes its folder.
        readings: What is read from it: names of `reference.READINGS`.
        refused: What the sentence that refuses it says; empty if its numbers equal the reference's.
        before: What transformers 4 with sentence-transformers 5 make of it where that is something
            else.
    """

    name: str
    what: str
    examples: tuple[str, ...]
    steps: tuple[Step, ...]
    readings: tuple[str, ...] = ("embed",)
    refused: str = ""
    before: str = ""

    def build(self, folder: Path) -> Path:
        """Makes the folder."""
        folder.mkdir(parents=True)
        for step in self.steps:
            step(folder)
        return folder
