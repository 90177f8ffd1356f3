"""The texts that the bundled presets learn from, and those that they are judged by.

python -m benchmarks.bundled.texts sentiment|embedding DATA FOLDER

DATA has `sst_train.tsv`, `sst2_train.tsv`, `sst_dev.tsv` and `agnews.tsv`, which
`benchmarks/README.md` describes. Writes files of two columns, `text` and `label`, into FOLDER:

- `labelled.tsv`, `unlabelled.tsv`: to learn from.
- `validation.tsv`: to choose the epoch by.
- `apart.tsv`: neither; the figures of the model cards are of these. Of film reviews, no phrase of
  such a sentence is learned from.

All choices are drawn from fixed seeds. The bundled sample reviews are in none of the files.
"""

import argparse
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.bundled.made_up_reviews import generate

Row = tuple[str, str]
"""A text and its label; an empty one for none."""

WRITTEN = Path(__file__).parent / "reviews.tsv"

_SEED = 0
_SENTENCES_APART = 1_000
_REVIEWS_APART = 100
_MADE_UP = 30_000
_PHRASE_WORDS = 3
_JOINED, _SPANS = 15_000, 8_000
_JOINS = (
    "{} , but {}",
    "although {} , {}",
    "{} , and {}",
    "{} . {}",
    "{} , yet {}",
    "despite {} , {}",
)

_NEWS_APART, _NEWS_VALIDATION = 2_000, 600
_NEWS_SPANS, _NEWS_JOINED = 3, 8_000
_OTHER_TEXTS = 20_000


def sentiment(data: Path) -> dict[str, list[Row]]:
    """Returns the rows of each file for a classifier of sentiment.

    Args:
        data: The folder with the corpora.
    """
    names = ("negative", "positive")
    phrases, sentences, dev = (
        [(text.strip(), names[int(label)]) for text, label in read(data / f"{name}.tsv", True)]
        for name in ("sst2_train", "sst_train", "sst_dev")
    )
    draw = random.Random(_SEED)
    order = draw.sample(range(len(sentences)), len(sentences))
    apart = [sentences[row] for row in sorted(order[:_SENTENCES_APART])]
    rest = [sentences[row] for row in sorted(order[_SENTENCES_APART:])]
    films = list(_without_parts_of([*phrases, *rest], [*apart, *dev]))
    written, written_apart = written_reviews()
    made_up = generate(_MADE_UP, _SEED)
    texts = [text for text, _ in films]
    more = [
        *_joined(texts, draw),
        *_spans(texts, _SPANS, draw),
        *filter(None, map(_as_typed, texts)),
    ]
    return {
        "labelled": [*films, *written, *made_up],
        "unlabelled": [(text, "") for text in more],
        "validation": dev,
        "apart": [*apart, *written_apart],
    }


def written_reviews() -> tuple[list[Row], list[Row]]:
    """Returns the written reviews to learn from, and some of each field that are kept apart."""
    fields: dict[str, list[Row]] = {}
    for text, label, field in read(WRITTEN, True):
        fields.setdefault(field, []).append((text, label))
    learned, apart = [], []
    for rows in fields.values():
        random.Random(_SEED).shuffle(rows)
        apart += rows[:_REVIEWS_APART]
        learned += rows[_REVIEWS_APART:]
    return learned, apart


def embedding(data: Path) -> dict[str, list[Row]]:
    """Returns the rows of each file for an embedder.

    Args:
        data: The folder with the corpora.
    """
    first = {" ".join(text.split()): topic for text, topic in read(data / "agnews.tsv", False)}
    news = list(first.items())
    draw = random.Random(_SEED)
    draw.shuffle(news)
    validation = news[_NEWS_APART : _NEWS_APART + _NEWS_VALIDATION]
    learned = news[_NEWS_APART + _NEWS_VALIDATION :]
    texts = [text for text, _ in learned]
    parts = [part for text in texts for part in re.split(r"(?<=[.!?;]) +", text) if part != text]
    spans = _spans(texts, _NEWS_SPANS * len(texts), draw)
    pairs = (draw.sample(texts, 2) for _ in range(_NEWS_JOINED))
    joined = [". ".join(" ".join(text.split()[:15]) for text in pair) for pair in pairs]
    films = [text for text, _ in sentiment(data)["labelled"] if len(text.split()) > 4]
    others = draw.sample(films, _OTHER_TEXTS)
    more = [part for part in parts if len(part.split()) > 3]
    return {
        "labelled": learned,
        "unlabelled": [(text, "") for text in (*more, *spans, *joined, *others)],
        "validation": validation,
        "apart": news[:_NEWS_APART],
    }


def read(path: Path, has_header: bool) -> Iterator[list[str]]:
    """Yields the columns of each line of a tab-separated file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    yield from (line.split("\t") for line in lines[has_header:] if line)


def _without_parts_of(rows: Iterable[Row], judged: Sequence[Row]) -> Iterator[Row]:
    """Yields each text once, but none that is a phrase of a sentence that judges."""
    whole = "\n".join(f" {_plain(text)} " for text, _ in judged)
    known = {_plain(text) for text, _ in judged}
    for text, label in rows:
        plain = _plain(text)
        is_phrase = len(plain.split()) >= _PHRASE_WORDS and f" {plain} " in whole
        if plain and plain not in known and not is_phrase:
            known.add(plain)
            yield text, label


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _as_typed(phrase: str) -> str | None:
    """Returns a phrase of the treebank as a person would type it; `None` if it is so already."""
    text = re.sub(r" (n't|'s|'re|'ve|'ll|'d|'m)\b", r"\1", phrase)
    text = re.sub(r" ([,.!?;:)\]])", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text).replace("`` ", '"').replace(" ''", '"')
    return None if text == phrase else text


def _joined(phrases: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Yields two phrases in one, whose verdicts may differ: a teacher says which one wins."""
    whole = [phrase for phrase in phrases if len(phrase.split()) > 3]
    for _ in range(_JOINED):
        yield draw.choice(_JOINS).format(*draw.sample(whole, 2))


def _spans(texts: Sequence[str], count: int, draw: random.Random) -> Iterator[str]:
    """Yields some of the words of texts that follow each other."""
    words = [text.split() for text in texts if len(text.split()) >= 10]
    for _ in range(count):
        chosen = draw.choice(words)
        length = draw.randint(4, min(20, len(chosen) - 1))
        start = draw.randint(0, len(chosen) - length)
        yield " ".join(chosen[start : start + length])


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("task", choices=("sentiment", "embedding"))
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    files = sentiment(args.data) if args.task == "sentiment" else embedding(args.data)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
        (args.folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}.tsv: {len(rows):,} rows")


if __name__ == "__main__":
    main()
