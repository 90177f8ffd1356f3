"""A student that makes the teacher's vectors."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from models.students.projection import principal_directions
from pipelines.distilling import vector_figures
from pipelines.distilling.comparison import compare, print_comparison
from pipelines.distilling.teacher import Teacher
from pipelines.distilling.texts import read_texts
from pipelines.finetuning.data_report import DataReport, look_at_texts
from pipelines.finetuning.labelled import TrainingData
from pipelines.finetuning.model import embedder_of, freeze, word_vectors
from pipelines.finetuning.new_preset import TRAINING, publish, unfinished_folder, write_preset
from pipelines.finetuning.record import VECTORS, training_key, training_record
from pipelines.finetuning.report import print_data, tell_kept
from pipelines.finetuning.start import Start
from pipelines.finetuning.training import Lesson, begin, recipe_of, run_training
from pipelines.reporting.console import leaving, report, telling
from pipelines.reporting.shown import printable, visible

if TYPE_CHECKING:
    from models.presets.preset import Preset
    from models.tasks.text_embedder import TextEmbedder


def distil_vectors(args: argparse.Namespace, start: Start, teacher: Teacher, output: Path) -> int:
    """Trains a student of an embedder; arguments as of `distil`, and the teacher."""
    _check(args, start, teacher)
    with unfinished_folder(output) as folder:
        data = read_texts(args, teacher)

        from models.training.distillation import vector_objective

        begin(args.seed)
        embedder = embedder_of(start, data.train.segments[0])
        freeze(args, embedder)
        data, learned, judged = _answered(data, teacher)
        begin(args.seed)  # again, for loading the teacher takes some random numbers
        found = _look(embedder, data)
        # Where the widths differ, the student learns the teacher's vectors in fewer dimensions.
        to_width = np.eye(teacher.width, dtype=np.float32)
        if teacher.width != embedder.dimensions:
            to_width = principal_directions(learned, embedder.dimensions)
        lesson = Lesson(
            data.train.x,
            learned @ to_width,
            (data.validation.x, judged @ to_width),
            vector_objective(),
        )
        recipe = recipe_of(args, embedder, len(data.train), from_scratch=start.preset is None)
        key = training_key(args, data, start, recipe, teacher.preset.digest)
        training, seconds = run_training(embedder, lesson, recipe, args, folder / TRAINING, key)
        new = write_preset(embedder, folder, output, args.weights_dtype)
        figures = _figures(embedder.predict(data.validation.x, verbose=0), teacher, data, judged)
        facts = {
            "kind": VECTORS,
            "labels": [],
            "activation": None,
            "dimensions": embedder.dimensions,
            "data": found.record,
            "figures": {key: value for key, value in figures.items() if key != "teacher"},
            "warnings": found.warnings,
        }
        record = training_record(args, start, recipe, training, seconds, facts)
        compared = compare(teacher, new, data.validation.segments, (figures["teacher"], figures))
        record["teacher"] = compared and compared.record()
        place = publish(args, new, output, record, found.facts)
    said = f"the preset is written to {visible(place)}"
    with leaving(said), report(said):
        print_comparison(compared, figures["baselines"])
        tell_kept(place, training, "embed", record["figures"])
    return 0


def _check(args: argparse.Namespace, start: Start, teacher: Teacher) -> None:
    """Raises `UserError` if a flag belongs to classifiers, or the student could not be saved."""
    from models.families.record import FAMILIES
    from models.presets.storable import EMBEDDER_FAMILIES

    for flag in ("temperature", "label_weight", "label_names", "label_separator", "report"):
        if getattr(args, flag) is not None:
            raise UserError(
                f"--{flag} belongs to classifiers, and --teacher={printable(teacher.name)} makes "
                "vectors; leave it out"
            )
    preset = start.preset or start.words
    family = FAMILIES[preset.family if preset else start.shape["family"]].name
    if family not in EMBEDDER_FAMILIES:
        raise UserError(
            f"an embedder is saved as one of the families {' and '.join(EMBEDDER_FAMILIES)}, and "
            f"the student would be of {family}"
        )


def _answered(data: TrainingData, teacher: Teacher) -> tuple[TrainingData, np.ndarray, np.ndarray]:
    """Returns the rows that the teacher has vectors for, and these.

    Raises:
        UserError: It has none, or too few to judge by.
    """
    rows, vectors = [], []
    lots = (data.train, data.validation)
    for lot, found in zip(lots, teacher.answers(*(lot.segments for lot in lots)), strict=True):
        known = np.flatnonzero(np.isfinite(found).all(axis=1))
        rows.append(lot.take(known.tolist()))
        vectors.append(found[known])
    unanswered = sum(map(len, lots)) - sum(map(len, rows))
    dropped = data.dropped
    if unanswered:
        dropped["the teacher's answer is not finite"] += unanswered
    if not len(rows[0]) or len(rows[1]) < 3:
        raise UserError(
            f"there are {len(rows[0])} texts to learn from and {len(rows[1])} to judge by; a "
            "student of vectors needs 3 to be judged by: give more texts"
        )
    return replace(data, train=rows[0], validation=rows[1]), vectors[0], vectors[1]


def _look(embedder: "TextEmbedder", data: TrainingData) -> DataReport:
    """Looks at the data and prints what was found."""
    assert embedder.preprocessor is not None
    _, lengths = embedder.preprocessor.encode(*data.train.segments)
    found = look_at_texts(data, lengths, embedder.preprocessor.sequence_length)
    with telling():
        print_data(found)
    return found


def _figures(
    vectors: np.ndarray, teacher: Teacher, data: TrainingData, judged: np.ndarray
) -> dict[str, Any]:
    """Returns the figures of the student, of its `baselines` and of the `teacher`."""
    rows = vector_figures.chosen_rows(len(data.validation))
    vectors, judged, looked_at = vectors[rows], judged[rows], data.validation.take(rows.tolist())
    texts, labels = looked_at.segments[0], looked_at.labels
    known = [label for label in labels if label is not None]
    among = labels if len(set(known)) > 1 else None
    beside = {vector_figures.WORDS: mean_words(teacher.preset, texts)}
    counted = vector_figures.word_counts(data.train.segments[0], texts)
    if counted is not None:
        beside[vector_figures.TF_IDF] = counted
    figures: dict[str, Any] = {"metric": "spearman"}
    figures |= vector_figures.vector_figures(vectors, judged, among)
    figures["baselines"] = {
        name: vector_figures.vector_figures(found, judged, among) for name, found in beside.items()
    }
    figures["teacher"] = vector_figures.vector_figures(judged, judged, among)
    return figures


def mean_words(preset: "Preset", texts: list[str]) -> np.ndarray:
    """Returns the mean of the vectors with which a preset's tokens begin, for each text."""
    from models.tokenizers.tokenizer import Tokenizer

    tokenizer, table = Tokenizer.from_preset(preset), word_vectors(preset)
    means = np.zeros((len(texts), table.shape[1]), np.float32)
    for row, text in enumerate(texts):
        if len(ids := tokenizer.encode([text]).ids):
            means[row] = table[ids].mean(axis=0)
    return means
