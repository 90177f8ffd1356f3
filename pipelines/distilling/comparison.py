"""Student beside teacher: how good they are, how large, and how fast here."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from pipelines.distilling.answers import Segments
from pipelines.distilling.teacher import Teacher
from pipelines.finetuning.figures import TITLES, spell
from pipelines.reporting.console import print_error, report_console
from pipelines.reporting.messages import shows_outcome
from pipelines.reporting.shown import counted
from pipelines.reporting.waits import waiting

_ROWS = 1024
_TRIAL_ROWS = 64
_PASSES = 3
_HEAD_CHARACTERS = 18
_SECONDS = 4.0


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        name: What it is called.
        figures: How good it is, by name.
        parameters: The weights of its backbone.
        megabytes: Its files.
        rows_per_second: How fast it is here, the teacher and the student in turns.
    """

    name: str
    figures: Mapping[str, float]
    parameters: int
    megabytes: float
    rows_per_second: float


@dataclass(frozen=True)
class Comparison:
    """Both.

    Attributes:
        teacher: The teacher.
        student: The student.
        rows: How many rows were timed.
        unlabelled: How many rows to judge by have no label of their own: the teacher's counts as
            right.
    """

    teacher: Side
    student: Side
    rows: int
    unlabelled: int

    def record(self) -> dict[str, Any]:
        """Returns all for `training.json`."""
        return {
            **asdict(self.teacher),
            "student": asdict(self.student),
            "timed_rows": self.rows,
            "unlabelled_rows": self.unlabelled,
        }


def compare(
    teacher: Teacher,
    student: Path,
    segments: Segments,
    figures: tuple[Mapping[str, Any], Mapping[str, Any]],
    unlabelled: int = 0,
) -> Comparison | None:
    """Compares a student with its teacher; says why and returns `None` if that fails.

    Args:
        teacher: The teacher.
        student: The preset that was written.
        segments: Rows to time both with.
        figures: How good the teacher is, and the student.
        unlabelled: As of `Comparison`.
    """
    presets = (teacher.preset, open_preset(student))
    try:
        with waiting("timing teacher and student"):
            predictors = [Predictor.from_preset(preset, teacher.task) for preset in presets]
            num_rows, rates = speeds(predictors, segments)
    except Exception as error:  # whatever it is, the hour of training is not lost for a table
        print_error(f"student and teacher could not be timed: {error}")
        return None
    sides = [
        Side(
            name,
            {key: value for key, value in found.items() if key in TITLES},
            predictor.model.backbone.count_params(),
            round(megabytes(preset), 2),
            round(speed, 1),
        )
        for name, preset, predictor, found, speed in zip(
            (teacher.name, "student"), presets, predictors, figures, rates, strict=True
        )
    ]
    return Comparison(sides[0], sides[1], num_rows, unlabelled)


def print_comparison(
    found: Comparison | None, baselines: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    """Prints both in a table, where somebody looks.

    Args:
        found: Both; `None` prints nothing.
        baselines: The figures of simpler models, to stand beside them.
    """
    if found is None or not shows_outcome():
        return
    from rich.markup import escape
    from rich.table import Table

    shown = [name for name in found.teacher.figures if name in found.student.figures]
    models = {"teacher": _cells(found.teacher, shown), "student": _cells(found.student, shown)}
    for name, figures in (baselines or {}).items():
        models[name] = [*(spell(each, figures[each]) for each in shown), "", "", ""]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in models:
        table.add_column(justify="right", vertical="bottom", max_width=_HEAD_CHARACTERS)
    table.add_row("", *(f"[bold]{escape(name)}[/bold]" for name in models))
    titles = [*(TITLES[name] for name in shown), "parameters", "size", "rows/s"]
    for title, cells in zip(titles, zip(*models.values(), strict=True), strict=True):
        table.add_row(title, *map(escape, cells))
    smaller, faster = (
        found.teacher.parameters / found.student.parameters,
        found.student.rows_per_second / found.teacher.rows_per_second,
    )
    console = report_console()
    console.print()
    console.print(table)
    if found.unlabelled:
        rows = counted(found.unlabelled, "row")
        console.print(f"{rows} to judge by without a label: the teacher's counts as right")
    console.print(f"{smaller:.1f} times fewer parameters, {faster:.1f} times the rows/s here")


def _cells(side: Side, shown: Sequence[str]) -> list[str]:
    return [
        *(spell(name, side.figures[name]) for name in shown),
        f"{side.parameters:,}",
        f"{side.megabytes:,.1f} MB",
        f"{side.rows_per_second:,.0f}",
    ]


def megabytes(preset: Preset) -> float:
    """Returns how large the files are that shape a preset's results."""
    return sum((preset.folder / name).stat().st_size for name in preset.files) / 1e6


def speeds(
    predictors: Sequence[Predictor], segments: Segments, seconds: float = _SECONDS
) -> tuple[int, list[float]]:
    """Returns how many rows were timed, and the rows a second of each, the median of passes.

    Args:
        predictors: Timed in turns; the first is the slowest.
        segments: The rows.
        seconds: About how long a pass of the first takes, with fewer rows where it is slow.
    """
    few = [texts[:_TRIAL_ROWS] for texts in segments]
    _seconds(predictors[0], few)  # compiles
    trial = _seconds(predictors[0], few)
    fit = int(seconds / trial * min(_TRIAL_ROWS, len(segments[0])))
    chosen = [texts[: max(_TRIAL_ROWS, min(_ROWS, fit))] for texts in segments]
    took: list[list[float]] = [[] for _ in predictors]
    for _ in range(_PASSES + 1):
        for predictor, passes in zip(predictors, took, strict=True):
            passes.append(_seconds(predictor, chosen))
    # The first pass of each compiles.
    return len(chosen[0]), [len(chosen[0]) / statistics.median(each[1:]) for each in took]


def _seconds(predictor: Predictor, segments: Sequence[Sequence[str]]) -> float:
    """Returns how long a predictor takes for some rows, tokenization included."""
    predictor.forget()
    began = time.perf_counter()
    predictor(*segments)
    return time.perf_counter() - began
