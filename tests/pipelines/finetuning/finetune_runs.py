"""Small corpora to fine-tune on, and what a training left behind."""

import json
import random
from pathlib import Path
from typing import Any

from pipelines import classify as classify_command
from tests.pipelines.command_runs import Run, run

ROOT = Path(__file__).parents[3]

WORDS = {
    "praise": ["lovely", "warm", "kind", "fresh", "bright", "superb", "gentle", "joyful"],
    "blame": ["awful", "cold", "rude", "stale", "gloomy", "dreadful", "harsh", "dull"],
}
THINGS = ["room", "soup", "film", "book", "walk", "song", "bed", "train", "garden", "harbour"]

SHAPE = {
    "family": "bert",
    "vocabulary_size": 300,
    "lowercase": True,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 16,
    "max_sequence_length": 32,
}
LEARNING = ("--learning_rate=0.005", "--batch_size=8")


def praise_and_blame(count: int, seed: int) -> list[dict[str, str]]:
    """Sentences whose two adjectives tell the label."""
    generator = random.Random(seed)
    rows = []
    for number in range(count):
        label = sorted(WORDS)[number % 2]
        first, second = generator.sample(THINGS, 2)
        one, other = generator.sample(WORDS[label], 2)
        text = f"A {one} {first} and {number} times a {other} {second}."
        rows.append({"text": text, "label": label})
    return rows


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def labelled(preset: Path, output: Path, corpus: Path) -> Run:
    """Labels the validation data."""
    flags = (f"--input={corpus}/validation.jsonl", f"--preset={preset}", f"--output={output}")
    return run(classify_command.main, output, *flags)


def accuracy_of(preset: Path) -> float:
    return record_of(preset)["figures"]["accuracy"]


def record_of(preset: Path) -> dict[str, Any]:
    return json.loads((preset / "training.json").read_bytes())


def assert_refused(found: Run, *parts: str) -> None:
    for part in parts:
        assert part in found.error
    assert "epoch 1/" not in found.out
    assert not list(found.folder.parent.glob(".*.unfinished"))
