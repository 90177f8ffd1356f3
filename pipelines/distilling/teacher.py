"""The model that a student learns from, and what it answers."""

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models import backends
from models.errors import UserError
from models.inference import runtime
from models.inference.predictor import Predictor, Task
from models.presets.preset import Preset
from models.tasks.embedder import resolve_embedding
from pipelines import __version__
from pipelines.distilling.answers import AnswerCache, Segments
from pipelines.fetching import open_named
from pipelines.finetuning.labels import LabelKind, OneLabel, OneNumber, SeveralLabels
from pipelines.reporting.console import print_error, progress_bar, telling
from pipelines.reporting.messages import say_outcome
from pipelines.reporting.shown import printable
from pipelines.reporting.waits import waiting


@dataclass(frozen=True)
class Teacher:
    """A preset whose answers are learned.

    Attributes:
        preset: The preset.
        task: What is learned of it: `classify` for its probabilities or numbers, `embed` for its
            vectors.
    """

    preset: Preset
    task: Task

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.preset.name

    @property
    def width(self) -> int:
        """Numbers of a vector that it makes."""
        settings, dimensions = resolve_embedding(self.preset)
        return dimensions or settings.width(self.preset.backbone_config["hidden_dim"])

    @property
    def activation(self) -> str | None:
        """Activation of its scores, as a student of it has them: `None` for logits."""
        preset = self.preset
        if preset.gives_numbers:
            own = preset.head_config.get("activation")
            return "sigmoid" if own == "sigmoid" else None
        return "sigmoid" if preset.is_multi_label else None

    def kind(self, separator: str | None) -> LabelKind:
        """Returns what it gives a text: one label, several ones, or a number.

        Args:
            separator: What separates several labels in the data.
        """
        preset = self.preset
        if preset.gives_numbers:
            return OneNumber(preset.labels[0])
        return _SeveralOrUnknown(separator) if preset.is_multi_label else OneLabel()

    def answers(self, *parts: Segments) -> list[np.ndarray]:
        """Returns its answers to several lots of rows, each float32 `[rows, width]`.

        They are computed once and kept on disk; a row that it cannot answer has NaN.

        Args:
            *parts: The lots, such as those to learn from and those to judge by; no row is in them
                twice.
        """
        asking = _Asking(self)
        ends = np.cumsum([len(segments[0]) for segments in parts])
        rows = tuple(list(itertools.chain(*texts)) for texts in zip(*parts, strict=True))
        with telling():
            say_outcome(f"asking the teacher, {printable(self.name)}, about {ends[-1]:,} texts")
        with progress_bar(int(ends[-1]), lambda: (asking.done, asking.done)):
            found = asking.cache.answers(rows, asking.ask, asking.count)
        if asking.cache.problem:
            print_error(f"the teacher's answers were not kept: {asking.cache.problem}")
        return np.split(found, ends[:-1])


class _SeveralOrUnknown(SeveralLabels):
    """Several labels, of which an empty text, as in a cell of CSV, says nothing."""

    def read(self, value: Any) -> tuple[str, ...] | None:
        """Returns the labels."""
        if isinstance(value, str) and not value.strip():
            return None
        return super().read(value)


class _Asking:
    """Asks a teacher, which is loaded once there is something to ask.

    Args:
        teacher: The teacher.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self._predictor: Predictor | None = None
        self.done = 0
        preset = teacher.preset
        width = len(preset.labels) if teacher.task == "classify" else teacher.width
        device = runtime.start(streams=False)  # which the precision depends on
        length = preset.resolve_length(None)
        settings = [teacher.task, preset.digest, length, backends.name(), device]
        self.cache = AnswerCache(json.dumps([__version__, *settings]), width)

    def count(self, rows: int) -> None:
        """Counts rows that have their answers."""
        self.done += rows

    def ask(self, segments: Segments) -> np.ndarray:
        """Returns the answers to some rows, float32 `[rows, width]`; NaN where there is none."""
        if self._predictor is None:
            with waiting("loading the teacher"):
                self._predictor = Predictor.from_preset(self._teacher.preset, self._teacher.task)
        predictor = self._predictor
        prepared: Any = list(segments)
        if self._teacher.task == "embed":
            prepared = predictor.model.settings.prepare(prepared)
        tokens, _ = predictor.preprocessor.encode(*prepared)
        prediction = predictor.predict(tokens, self.count)
        outputs = prediction.outputs.astype(np.float32)
        outputs[list(prediction.errors)] = np.nan
        return outputs


def find_teacher(args: argparse.Namespace) -> Teacher:
    """Returns the teacher that the flags name.

    Raises:
        UserError: There is none, it gives nothing that `--task` asks for, or a flag does not fit.
    """
    preset = open_named(args.teacher)
    if Path(args.output).resolve() == preset.folder.resolve():
        raise UserError(f"--output={args.output} is the teacher, which would be replaced")
    task: Task = "classify" if preset.has_classifier and args.task != "embedding" else "embed"
    if task == "embed" and args.task in ("classification", "regression"):
        raise UserError(
            f"--teacher={args.teacher} is no classifier, which --task={args.task} needs; without "
            "it, or with --task=embedding, the student learns its vectors"
        )
    if task == "classify":
        _check_classifier(args, preset)
    elif args.text_pair_column is not None:
        raise UserError("--text_pair_column: a vector is of one text; leave it out")
    return Teacher(preset, task)


def _check_classifier(args: argparse.Namespace, preset: Preset) -> None:
    """Raises `UserError` if what a classifier gives is not what `--task` asks for."""
    if preset.gives_numbers != (args.task == "regression") and args.task is not None:
        gives = "a number" if preset.gives_numbers else "labels"
        raise UserError(f"--teacher={args.teacher} gives {gives}, which is not --task={args.task}")
    if preset.gives_numbers and len(preset.labels) > 1:
        raise UserError(
            f"--teacher={args.teacher} gives {len(preset.labels)} numbers a text; a student "
            "learns one"
        )
    if preset.gives_numbers and args.weights_dtype != "float32":
        raise UserError(
            f"--weights_dtype={args.weights_dtype} would round the numbers that --teacher="
            f"{args.teacher} gives"
        )
    if preset.gives_numbers and args.temperature is not None:
        raise UserError(
            f"--temperature belongs to classes, and --teacher={args.teacher} gives a number; leave "
            "it out"
        )
