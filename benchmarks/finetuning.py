"""How well `pipelines.finetune` does with its defaults, by rows, data and size of the model.

python -m benchmarks.finetuning [--preset=PRESET …] [--set=NAME:ROWS …] [--flag=--epochs=3 …]

Trains each preset on each set, labels a test set that the training does not see, and prints both
accuracies beside TF-IDF with logistic regression on the same rows, and the seconds of the command.
The sets: `mails`, made up by `examples/mails.py`, with five queues; `sst`, phrases of film reviews
to learn from and whole sentences to test on; `agnews`, news on four topics. The last two are read
from `../shared/data`. Needs scikit-learn.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.measuring import read_tsv
from examples.mails import mails

Rows = list[tuple[str, str]]

SETS = (
    "mails:60",
    "mails:1155",
    "sst:500",
    "sst:5000",
    "sst:60000",
    "agnews:400",
    "agnews:4000",
)

# Rows that are held out to test on.
_NEWS_TESTED = 2_000
_MAILS_TESTED = 2_000


def load(name: str, rows: int) -> tuple[Rows, Rows]:
    """Returns rows to train on and rows to test on, which have no text in common."""
    if name == "mails":
        train, test = list(mails(rows, 5)), list(mails(_MAILS_TESTED, 99))
    elif name == "sst":
        train, test = read_tsv("sst2_train.tsv", True), read_tsv("sst_dev.tsv", True)
    else:
        train, test = read_tsv("agnews.tsv", False), []
    random.Random(1).shuffle(train)
    if name == "agnews":
        train, test = train[:-_NEWS_TESTED], train[-_NEWS_TESTED:]
    tested = {" ".join(text.split()) for text, _ in test}
    return [row for row in train if " ".join(row[0].split()) not in tested][:rows], test


def baselines(train: Rows, test: Rows) -> tuple[float, float]:
    """Returns the accuracy of the most common label, and of TF-IDF with logistic regression."""
    texts, labels = zip(*train, strict=True)
    tested, right = zip(*test, strict=True)
    most = max(set(labels), key=labels.count)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000)
    )
    counted = model.fit(texts, labels).predict(tested)
    return float(np.mean(np.array(right) == most)), float(np.mean(np.array(right) == counted))


def finetune(preset: str, train: Rows, test: Rows, flags: Sequence[str]) -> tuple[float, float]:
    """Returns the accuracy of a preset trained by the command, and the command's seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "train.jsonl", Path(folder) / "preset"
        lines = (json.dumps({"text": text, "label": label}) for text, label in train)
        path.write_text("\n".join(lines) + "\n")
        command = [sys.executable, "-m", "pipelines.finetune", f"--preset={preset}", *flags]
        began = time.monotonic()
        subprocess.run(
            [*command, f"--input={path}", f"--output={output}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - began

        from models import Predictor

        predictor = Predictor.from_preset(output)
        tested, right = zip(*test, strict=True)
        found = np.array(predictor.labels)[predictor(list(tested)).argmax(axis=1)]
        return float(np.mean(found == np.array(right))), seconds


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", action="append", help="default: sentiment_tiny_en")
    parser.add_argument("--set", action="append", help=f"from {', '.join(SETS)}; default: all")
    parser.add_argument("--flag", action="append", default=[], help="flag of finetune")
    args = parser.parse_args()
    print("| set | majority | TF-IDF | preset | accuracy | seconds |\n|---|---|---|---|---|---|")
    for each in args.set or SETS:
        name, rows = each.split(":")
        train, test = load(name, int(rows))
        most, counted = baselines(train, test)
        for preset in args.preset or ["sentiment_tiny_en"]:
            accuracy, seconds = finetune(preset, train, test, args.flag)
            title = Path(preset).parent.name if Path(preset).is_dir() else preset
            figures = f"{most:.1%} | {counted:.1%} | {title} | {accuracy:.1%} | {seconds:.0f}"
            print(f"| {each} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
