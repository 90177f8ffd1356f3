"""What `python -m pipelines.finetune --teacher=…` does."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.distilling.classifiers import distil_classifier
from pipelines.distilling.teacher import find_teacher
from pipelines.distilling.vectors import distil_vectors

if TYPE_CHECKING:
    from pipelines.finetuning.start import Start


def distil(args: argparse.Namespace, start: "Start", output: Path) -> int:
    """Trains a student of the teacher that the flags name; returns the exit code.

    Args:
        args: The flags.
        start: What the student starts from.
        output: The folder of the preset to write.
    """
    teacher = find_teacher(args)
    run = distil_classifier if teacher.task == "classify" else distil_vectors
    return run(args, start, teacher, output)
