"""A look at the rows that a classifier is to learn from, before any time is spent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.finetuning.labels import SKEWED, OneNumber, class_weights
from pipelines.reporting.console import telling
from pipelines.reporting.shown import printable

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier
    from pipelines.finetuning.labelled import TrainingData

_LABELS_SHOWN = 20

# Validation rows below which a figure says little, and share of cut texts above which it matters.
_FEW_ROWS = 50
_MANY_CUT = 0.05


@dataclass(frozen=True)
class DataReport:
    """What there is to say about the rows.

    Attributes:
        facts: Facts, each a name and a sentence.
        warnings: What a person should know, one sentence each.
        record: The same in figures, for `training.json`.
    """

    facts: list[tuple[str, str]]
    warnings: list[str]
    record: dict[str, Any]


def look(classifier: "Classifier", data: "TrainingData", is_weighted: bool) -> DataReport:
    """Looks at the data of a classifier, as `look_at` does, and prints what was found."""
    from pipelines.finetuning.report import print_data

    assert classifier.preprocessor is not None
    _, lengths = classifier.preprocessor.encode(*data.train.segments)
    found = look_at(data, lengths, classifier.preprocessor.sequence_length, is_weighted)
    with telling():
        print_data(found)
    return found


def look_at(
    data: "TrainingData", lengths: np.ndarray, sequence_length: int, is_weighted: bool
) -> DataReport:
    """Looks at training data.

    Args:
        data: The rows.
        lengths: int64 `[rows]`: tokens of the training texts before any cut.
        sequence_length: Tokens that a text is cut to.
        is_weighted: Whether rare labels count more in training.
    """
    found = look_at_texts(data, lengths, sequence_length)
    if count := data.contradictions:
        have = "text has" if count == 1 else "texts have"
        contradiction = f"{count:,} {have} different labels in different rows; the first one counts"
        found.warnings.insert(0, contradiction)
    if not isinstance(data.kind, OneNumber):
        found.warnings.extend(_warnings_of_labels(data, is_weighted))
    found.facts.insert(1, ("labels", _labels(data)))
    labels = {
        "labels": dict(data.kind.counts(data.train.labels)),
        "contradictions": data.contradictions,
    }
    return replace(found, record={**found.record, **labels})


def look_at_texts(data: "TrainingData", lengths: np.ndarray, sequence_length: int) -> DataReport:
    """Looks at training data but for its labels; arguments as of `look_at`."""
    cut = float(np.mean(lengths > sequence_length))
    median, most, longest = (int(np.quantile(lengths, share)) for share in (0.5, 0.95, 1))
    where = "held out of it" if data.is_held_out else "of --validation"
    facts = [
        ("data", f"{len(data.train):,} texts to learn from, {len(data.validation):,} {where}"),
        (
            "lengths",
            f"half have up to {median} tokens, 95% up to {most}, the longest {longest}; "
            + (f"{cut:.1%} are cut at {sequence_length}" if cut else "none is cut"),
        ),
    ]
    facts += [
        ("left out", f"{count:,} {'row' if count == 1 else 'rows'}: {printable(reason)}")
        for reason, count in data.dropped.items()
    ]
    record = {
        "train": len(data.train),
        "validation": len(data.validation),
        "left_out": dict(data.dropped),
        "tokens": {"median": median, "95%": most, "longest": longest},
        "cut": round(cut, 5),
    }
    return DataReport(facts, _warnings(data, cut, sequence_length), record)


def _labels(data: "TrainingData") -> str:
    if isinstance(data.kind, OneNumber):
        low, middle, high = np.quantile(data.train.labels, [0, 0.5, 1])
        return f"numbers from {low:g} to {high:g}, half of them up to {middle:g}"
    counts = data.kind.counts(data.train.labels)
    shown = ", ".join(
        f"{printable(label)} {counts[label]:,}" for label in data.labels[:_LABELS_SHOWN]
    )
    more = len(data.labels) - _LABELS_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    share = max(counts.values(), default=0) / len(data.train)
    return f"{shown}{rest}; the most common one has {share:.1%} of the rows"


def _warnings(data: "TrainingData", cut: float, sequence_length: int) -> list[str]:
    found = []
    if overlap := data.dropped["the text is among the validation texts"]:
        were = "text was" if overlap == 1 else "texts were"
        found.append(f"{overlap:,} validation {were} in the input too, and not learned from")
    if cut > _MANY_CUT:
        found.append(
            f"{cut:.1%} of the texts are longer than {sequence_length} tokens and cut; a larger "
            "--sequence_length reads more of them"
        )
    if len(data.validation) < _FEW_ROWS:
        found.append(
            f"only {len(data.validation)} rows judge the model: figures below may be off by about "
            f"{100 / max(1, len(data.validation)) ** 0.5:.0f} points; --validation takes more"
        )
    return found


def _warnings_of_labels(data: "TrainingData", is_weighted: bool) -> list[str]:
    counts = data.kind.counts(data.train.labels)
    judged = data.kind.counts(data.validation.labels)
    found = []
    if single := [label for label in data.labels if counts[label] == 1]:
        each = "each " if len(single) > 1 else ""
        found.append(f"{_named(single)} one row {each}to learn from, which is too few")
    if unjudged := [label for label in data.labels if not judged[label] and counts[label] > 1]:
        found.append(f"{_named(unjudged)} no row to be judged by")
    if counts and class_weights(counts, data.labels) is not None:
        most, count = counts.most_common(1)[0]
        how = "rare labels count more (--class_weights)" if is_weighted else "all rows count alike"
        found.append(
            f"the labels are skewed: {printable(most)} has {count:,} rows, at least {SKEWED} times "
            f"the rarest; {how}"
        )
    return found


def _named(labels: Sequence[str]) -> str:
    shown = ", ".join(printable(label) for label in labels[:5])
    more = f" and {len(labels) - 5} more have" if len(labels) > 5 else ""
    return f"{'label' if len(labels) == 1 else 'labels'} {shown}" + (
        more or (" has" if len(labels) == 1 else " have")
    )
