"""The texts that the bundled presets learn from, and those that they are judged by.

python -m benchmarks.bundled.texts sentiment|embedding DATA FOLDER

DATA has `sst_train.tsv`, `sst2_train.tsv`, `sst_dev.tsv` and `agnews.tsv`, which
`benchmarks/README.md` describes. Writes files of two columns, `text` and `label`, into FOLDER:

- `labelled.tsv`, `unlabelled.tsv`: to learn from.
- `validation.tsv`: to choose the epoch by.
- `apart.tsv`: neither; the figures of the model cards are of these. No phrase of such a sentence is
  learned from, of three words or more, nor does the sentence stand elsewhere in another spelling.

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

_HERE = Path(__file__).parent
_WRITTEN, _WRITTEN_TO_LEARN = _HERE / "reviews.tsv", _HERE / "more_reviews.tsv"

_SEED = 0
_SENTENCES_APART = 1_000
_REVIEWS_APART = 100
_MADE_UP = 30_000
_VARIED_PHRASES, _VARIED_REVIEWS = 70_000, 70_000
_VARIED_WORDS = 0.3
_PHRASE_WORDS = 3
_RUN, _LIKE = 6, 0.2
_JOINED, _SPANS = 15_000, 8_000
_REGROUPED, _REVIEW_SPANS = 12_000, 6_000
_JOINS = (
    "{} , but {}",
    "although {} , {}",
    "{} , and {}",
    "{} . {}",
    "{} , yet {}",
    "despite {} , {}",
)

_NEWS_APART, _NEWS_VALIDATION = 2_000, 600
_NEWS_SPANS, _NEWS_JOINED, _NEWS_VARIED = 3, 8_000, 40_000
_OTHER_TEXTS = 20_000


def sentiment(data: Path) -> dict[str, list[Row]]:
    """Returns the rows of each file for a classifier of sentiment.

    Args:
        data: The folder with the corpora.
    """
    draw = random.Random(_SEED)
    films, apart, dev = _films(data, draw)
    written, written_apart = written_reviews()
    texts = [text for text, _ in films]
    reviews = [text for text, _ in written]
    more = [
        *_joined(texts, draw),
        *_spans(texts, _SPANS, draw),
        *filter(None, map(_as_typed, texts)),
        *_regrouped(reviews, draw),
        *_spans(reviews, _REVIEW_SPANS, draw),
        *_varied(texts, _VARIED_PHRASES, draw),
        *_varied(reviews, _VARIED_REVIEWS, draw),
    ]
    labelled = [*films, *written, *generate(_MADE_UP, _SEED)]
    return {
        "labelled": labelled,
        "unlabelled": [(text, "") for text in more],
        "validation": dev,
        "apart": list(_unlike([*apart, *written_apart], [*(text for text, _ in labelled), *more])),
    }


def _films(data: Path, draw: random.Random) -> tuple[list[Row], list[Row], list[Row]]:
    """Returns what the treebank has to learn from, the sentences kept apart, and the dev ones."""
    names = ("negative", "positive")
    phrases, sentences, dev = (
        [(text.strip(), names[int(label)]) for text, label in read(data / f"{name}.tsv", True)]
        for name in ("sst2_train", "sst_train", "sst_dev")
    )
    order = draw.sample(range(len(sentences)), len(sentences))
    apart = [sentences[row] for row in sorted(order[:_SENTENCES_APART])]
    rest = [sentences[row] for row in sorted(order[_SENTENCES_APART:])]
    return list(_without_parts_of([*phrases, *rest], [*apart, *dev])), apart, dev


def written_reviews() -> tuple[list[Row], list[Row]]:
    """Returns the written reviews to learn from, and some of each field that are kept apart."""
    fields: dict[str, list[Row]] = {}
    for text, label, field in read(_WRITTEN, True):
        fields.setdefault(field, []).append((text, label))
    learned, apart = [], []
    for rows in fields.values():
        random.Random(_SEED).shuffle(rows)
        apart += rows[:_REVIEWS_APART]
        learned += rows[_REVIEWS_APART:]
    # Many of these were written in pairs, of which one would tell the label of the other.
    learned += [(text, label) for text, label, _ in read(_WRITTEN_TO_LEARN, True)]
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
    parts = [part for text in texts for part in _sentences(text) if part != text]
    spans = _spans(texts, _NEWS_SPANS * len(texts), draw)
    pairs = (draw.sample(texts, 2) for _ in range(_NEWS_JOINED))
    joined = [". ".join(" ".join(text.split()[:15]) for text in pair) for pair in pairs]
    films, _, _ = _films(data, random.Random(_SEED))
    every = [*films, *written_reviews()[0], *generate(_MADE_UP, _SEED)]
    opinions = [text for text, _ in every if len(text.split()) > 4]
    more = [
        *(part for part in parts if len(part.split()) > 3),
        *spans,
        *joined,
        *draw.sample(opinions, _OTHER_TEXTS),
        *_varied(texts, _NEWS_VARIED, draw),
    ]
    return {
        "labelled": learned,
        "unlabelled": [(text, "") for text in more],
        "validation": validation,
        "apart": list(_unlike(news[:_NEWS_APART], [*texts, *more])),
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


def _unlike(rows: Iterable[Row], learned: Iterable[str]) -> Iterator[Row]:
    """Yields rows but those of whose runs of words more than a fifth are learned from.

    The treebank has sentences twice, spelled otherwise here and there; news come again, too.
    """
    known = {run for text in learned for run in _runs(text)}
    for row in rows:
        runs = _runs(row[0])
        if sum(run in known for run in runs) <= _LIKE * len(runs):
            yield row


def _runs(text: str) -> list[tuple[str, ...]]:
    words = _plain(text).replace("lrb ", "").replace("rrb ", "").split()
    length = min(_RUN, len(words))
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


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


def _regrouped(reviews: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Yields sentences of different reviews after each other."""
    sentences = [part for text in reviews for part in _sentences(text)]
    for _ in range(_REGROUPED):
        yield " ".join(draw.sample(sentences, draw.randint(2, 3)))


def _varied(texts: Sequence[str], count: int, draw: random.Random) -> Iterator[str]:
    """Yields texts of which some words are others that the texts have between the same two words.

    What they say may turn round: a teacher says what it is now.
    """
    words = [["", *text.split(), ""] for text in texts]
    between: dict[tuple[str, str], list[str]] = {}
    for row in words:
        for before, word, after in zip(row, row[1:], row[2:], strict=False):
            between.setdefault((before, after), []).append(word)
    while count:
        row = draw.choice(words)
        varied = [
            draw.choice(between[before, after]) if draw.random() < _VARIED_WORDS else word
            for before, word, after in zip(row, row[1:], row[2:], strict=False)
        ]
        if len(varied) > _PHRASE_WORDS and varied != row[1:-1]:
            count -= 1
            yield " ".join(varied)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?;]) +", text)


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
