"""Corpora of many shapes, and what a run counts in them: read and tokenized whole."""

import csv
import gzip
import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from models.presets.lookup import open_preset
from pipelines.command import SAMPLE
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.units import plan_units, read_unit

SEQUENCE_LENGTH = 64
_WORDS = sorted({word for line in SAMPLE.open(encoding="utf-8") for word in line.split()})


@dataclass(frozen=True)
class Truth:
    """What a run over all rows counts."""

    rows: int
    rejected: int
    tokens: int
    truncated: float


def truth_of(corpus: Corpus) -> Truth:
    """Reads and tokenizes all rows, as a run does."""
    from models import BertPreprocessor

    preprocessor = BertPreprocessor.from_preset(
        open_preset("sentiment_tiny_en"), sequence_length=SEQUENCE_LENGTH
    )
    rows = rejected = tokens = truncated = 0
    for unit in plan_units(corpus):
        for _, batch in read_unit(corpus, unit):
            rows += batch.num_rows
            rejected += batch.rejected.num_rows
            if batch.rows.num_rows:
                packed, counts = preprocessor.encode(batch.rows.column("text"))
                tokens += int(counts.sum())
                truncated += int((counts > packed.lengths).sum())
    return Truth(rows, rejected, tokens, truncated / max(rows - rejected, 1))


def texts(generator: np.random.Generator, count: int, mean: float, spread: float) -> list[str]:
    """Returns texts with log-normal numbers of words.

    Args:
        generator: What chooses words and lengths.
        count: How many.
        mean: Words of a text in the mean, about.
        spread: Standard deviation of the logarithm.
    """
    lengths = np.maximum(1, generator.lognormal(np.log(mean), spread, count)).astype(int)
    words = generator.choice(_WORDS, lengths.sum())
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return [" ".join(words[a:b]) for a, b in itertools.pairwise(bounds)]


def _jsonl(rows: Sequence[str]) -> bytes:
    return "".join(
        f"{json.dumps({'id': n, 'text': text})}\n" for n, text in enumerate(rows)
    ).encode()


def many_small(folder: Path) -> None:
    generator = np.random.default_rng(1)
    for number in range(1500):
        rows = texts(generator, int(generator.integers(1, 60)), 30, 0.8)
        (folder / f"{number}.jsonl").write_bytes(_jsonl(rows))


def few_large(folder: Path) -> None:
    generator = np.random.default_rng(2)
    for number in range(2):
        rows = texts(generator, 28_000, 30, 0.6)
        (folder / f"{number}.txt").write_text("\n".join(rows))


def in_utf_16(folder: Path) -> None:
    generator = np.random.default_rng(3)
    (folder / "a.txt").write_text("\n".join(texts(generator, 28_000, 30, 0.6)), "utf-16")


def gzipped(folder: Path) -> None:
    generator = np.random.default_rng(4)
    for number, mean in enumerate((20, 30, 50)):
        rows = texts(generator, 24_000, mean, 0.7)
        (folder / f"{number}.jsonl.gz").write_bytes(gzip.compress(_jsonl(rows), 1))


def in_parquet(folder: Path) -> None:
    generator = np.random.default_rng(5)
    for number, count in enumerate((40_000, 9_000, 1_000)):
        rows = texts(generator, count, 15 * (number + 1), 0.9)
        table = pa.table({"text": rows, "n": range(count)})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=2_000)


def in_arrow(folder: Path) -> None:
    generator = np.random.default_rng(6)
    table = pa.table({"text": texts(generator, 50_000, 35, 0.8)})
    pyarrow.feather.write_feather(table, str(folder / "a.arrow"), chunksize=1_000)


def quoted_newlines(folder: Path) -> None:
    generator = np.random.default_rng(7)
    for number in range(2):
        rows = texts(generator, 24_000, 30, 0.8)
        target = io.StringIO()
        writer = csv.writer(target)
        writer.writerow(["id", "text", "stars"])
        for n, text in enumerate(rows):
            lines = text.replace(" the ", "\nthe ").replace(" I ", ',\n"I" ')
            writer.writerow([n, lines, n % 5])
        (folder / f"{number}.csv").write_text(target.getvalue(), newline="")


def one_column_of_paragraphs(folder: Path) -> None:
    generator = np.random.default_rng(8)
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    writer.writerow(["text"])
    writer.writerows([text.replace(" a ", "\na ")] for text in texts(generator, 50_000, 35, 0.8))
    (folder / "a.csv").write_text(target.getvalue(), newline="")


def skewed_and_sorted(folder: Path) -> None:
    generator = np.random.default_rng(9)
    rows = texts(generator, 40_000, 20, 0.5) + texts(generator, 1_000, 1_500, 0.8)
    (folder / "a.jsonl").write_bytes(_jsonl(sorted(rows, key=len)))


def mixed_sizes(folder: Path) -> None:
    generator = np.random.default_rng(10)
    (folder / "large.tsv").write_text(
        "text\tid\n" + "".join(f"{text}\t1\n" for text in texts(generator, 50_000, 30, 0.5))
    )
    for number in range(400):
        rows = texts(generator, int(generator.pareto(1.5) * 20) + 1, 8, 0.5)
        (folder / f"{number}.tsv").write_text("text\tid\n" + "".join(f"{t}\t2\n" for t in rows))


def half_rejected(folder: Path) -> None:
    generator = np.random.default_rng(11)
    lines = _jsonl(texts(generator, 52_000, 30, 0.6)).splitlines()
    wrong = generator.random(len(lines)) < 0.25
    found = (b"{broken" if bad else line for line, bad in zip(lines, wrong, strict=True))
    (folder / "a.jsonl").write_bytes(b"\n".join(found))


def long_documents(folder: Path) -> None:
    generator = np.random.default_rng(12)
    for number in range(3):
        rows = texts(generator, 250, 4_000, 0.7)
        (folder / f"{number}.jsonl").write_bytes(_jsonl(rows))


CORPORA: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (
        many_small,
        few_large,
        in_utf_16,
        gzipped,
        in_parquet,
        in_arrow,
        quoted_newlines,
        one_column_of_paragraphs,
        skewed_and_sorted,
        mixed_sizes,
        half_rejected,
        long_documents,
    )
}


def planned(folder: Path) -> Corpus:
    """Returns the corpus of all files in a folder."""
    return plan_corpus([str(folder)])
