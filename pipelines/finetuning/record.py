"""What a preset keeps of its training, and by what a stopped training is known again."""

import argparse
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from models import backends
from models.training.recipe import Recipe
from pipelines import __version__
from pipelines.finetuning.start import Start

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier
    from models.training.train import Training
    from pipelines.finetuning.data_report import DataReport
    from pipelines.finetuning.figures import Figures
    from pipelines.finetuning.labelled import TrainingData

VECTORS = "a vector"
"""What the record of an embedder says that it gives a text."""

# Arguments that shape the preset, for its record.
_RECORDED = (
    "input",
    "validation",
    "input_format",
    "encoding",
    "delimiter",
    "quote",
    "text_column",
    "text_pair_column",
    "label_column",
    "label_separator",
    "label_names",
    "task",
    "teacher",
    "temperature",
    "label_weight",
    "freeze_layers",
    "lora_rank",
    "epochs",
    "batch_size",
    "learning_rate",
    "minutes",
    "class_weights",
    "token_dropout",
    "seed",
    "weights_dtype",
)

# What the rows and their labels already say, however their files are named.
_TOLD_BY_ROWS = (
    *("input", "validation", "input_format", "encoding", "delimiter", "quote"),
    *("text_column", "text_pair_column"),
)


def training_record(
    args: argparse.Namespace,
    start: Start,
    recipe: Recipe,
    training: "Training",
    seconds: float,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns what `training.json` holds.

    Args:
        args: The flags.
        start: What it began from.
        recipe: The settings of the training.
        training: How it went.
        seconds: How long it took.
        facts: What was learned and how well, as `classifier_facts` returns it.
    """
    return {
        "textbeam": __version__,
        "python": platform.python_version(),
        "keras": metadata.version("keras"),
        "backend": backends.name(),
        "start": start.record,
        "arguments": {name: value for name, value in vars(args).items() if name in _RECORDED},
        "sequence_length": start.length,
        "recipe": asdict(recipe),
        "history": training.history,
        "best_epoch": training.best_epoch + 1,
        "seconds": round(seconds, 1),
        **facts,
    }


def classifier_facts(
    data: "TrainingData", found: "DataReport", classifier: "Classifier", figures: "Figures"
) -> dict[str, Any]:
    """Returns what a classifier learned and how well, for `training.json`.

    Args:
        data: The rows and their labels.
        found: What was found in them.
        classifier: What was trained.
        figures: What the validation rows say.
    """
    activation = classifier.activation.__name__
    return {
        "kind": data.kind.name,
        "labels": classifier.labels,
        "activation": None if activation == "linear" else activation,
        "data": found.record,
        "figures": figures.record(),
        "warnings": [*found.warnings, *figures.warnings],
    }


def training_key(
    args: argparse.Namespace, data: "TrainingData", start: Start, recipe: Recipe, *others: Any
) -> str:
    """Returns a digest of all that shapes a training, which must be the same to resume it.

    Args:
        args: The flags.
        data: The rows and their labels.
        start: What it begins from.
        recipe: The settings of the training.
        *others: What else shapes it, such as the digest of a teacher.
    """
    rows = hashlib.sha256()
    for part in (data.train, data.validation):
        for row in zip(*part.segments, part.labels, strict=True):
            rows.update(json.dumps(row).encode())
    settings = {name: getattr(args, name) for name in _RECORDED if name not in _TOLD_BY_ROWS}
    settings |= {"length": start.length, "recipe": asdict(recipe), "labels": data.labels}
    backend = backends.name()
    versions = [__version__, *map(backends.version_of, ("keras", backend)), backend]
    content = json.dumps([settings, start.key, others, versions, rows.hexdigest()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
