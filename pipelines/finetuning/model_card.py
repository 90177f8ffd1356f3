"""The page that says what a trained preset is, how it came to be and how far to trust it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.finetuning.figures import TITLES, spell
from pipelines.finetuning.record import VECTORS
from pipelines.reporting.shown import counted, printable

_LABELS_SHOWN = 50
# Characters of a sentence: twenty long names fit.
_CHARACTERS = 5_000
_CONFUSION_LABELS = 12
_PAIRS_SHOWN = 5


def write_model_card(
    folder: Path, name: str, record: Mapping[str, Any], facts: Sequence[tuple[str, str]]
) -> None:
    """Writes `README.md` into a preset's folder.

    Args:
        folder: Folder of the preset.
        name: Name of the preset.
        record: What `training.json` holds.
        facts: Facts about the data, each a name and a sentence.
    """
    sections = [
        f"# {_safe(name)}",
        _purpose(record),
        "## Data\n\n" + "\n".join(f"- **{fact}**: {_safe(said)}" for fact, said in facts),
        _recipe(record),
        _figures(record),
        _limits(record),
        _use(name, record),
    ]
    (folder / "README.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _purpose(record: Mapping[str, Any]) -> str:
    if record["kind"] == VECTORS:
        return (
            f"Makes a vector of {record['dimensions']} numbers of each text, close to another "
            f"where texts are alike. Reads texts of up to {record['sequence_length']} tokens; "
            "longer ones are cut."
        )
    labels = [_code(label) for label in record["labels"]]
    if record["kind"] == "a number":
        bounds = " from 0 to 1" if record["activation"] == "sigmoid" else ""
        what = f"Gives each text a number{bounds}, its {labels[0]}."
    else:
        shown = ", ".join(labels[:_LABELS_SHOWN])
        more = f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
        how = "any number" if record["kind"] == "several labels" else "one"
        what = f"Gives each text {how} of {len(labels)} labels: {shown}{more}."
    texts = "pairs of texts" if record["arguments"]["text_pair_column"] else "texts"
    return f"{what} Reads {texts} of up to {record['sequence_length']} tokens; longer ones are cut."


def _recipe(record: Mapping[str, Any]) -> str:
    start = record["start"]
    origin = f"the preset {_code(start)}" if isinstance(start, str) else "random weights"
    if isinstance(start, Mapping) and "preset" in start:
        origin = f"parts of the preset {_code(start['preset'])}"
    elif isinstance(start, Mapping) and "word_embeddings" in start:
        origin = f"the word embeddings of {_code(start['word_embeddings'])}"
    recipe = record["recipe"]
    return (
        f"## Recipe\n\nTrained from {origin} with `python -m pipelines.finetune` of Textbeam "
        f"{record['textbeam']}: AdamW, learning rate {recipe['learning_rate']:g} at its peak, "
        f"batches of {recipe['batch_size']}, {len(record['history']['loss'])} of at most "
        f"{recipe['epochs']} epochs, of which number {record['best_epoch']} was kept, seed "
        f"{record['arguments']['seed']}. All settings and the course of the training are in "
        "`training.json`." + _taught(record)
    )


def _taught(record: Mapping[str, Any]) -> str:
    """Returns who taught it, and how both compare; nothing without a teacher."""
    teacher = record.get("teacher")
    if not teacher:
        return ""
    student = teacher["student"]
    shown = [name for name in teacher["figures"] if name in student["figures"]]
    lines = [
        "",
        "",
        f"It learned what its teacher, {_code(teacher['name'])}, says of the texts. Both on the "
        f"rows that the epoch was chosen by, and their speed on {teacher['timed_rows']:,} of them "
        "on the machine that trained it:",
        "",
        f"| | {' | '.join(TITLES[name] for name in shown)} | parameters | size | rows/s |",
        "|---" * (len(shown) + 4) + "|",
    ]
    for title, side in (("teacher", teacher), ("this model", student)):
        cells = " | ".join(spell(name, side["figures"][name]) for name in shown)
        lines.append(
            f"| {title} | {cells} | {side['parameters']:,} | {side['megabytes']:.1f} MB | "
            f"{side['rows_per_second']:,.0f} |"
        )
    if unlabelled := teacher["unlabelled_rows"]:
        lines += [
            "",
            f"{counted(unlabelled, 'row')} without a label: the teacher's counts as right.",
        ]
    return "\n".join(lines)


def _figures(record: Mapping[str, Any]) -> str:
    figures = record["figures"]
    shown = [name for name in figures if name in TITLES]
    lines = [
        "## Figures",
        "",
        f"On the {record['data']['validation']:,} rows that the epoch was chosen by, so expect "
        "slightly lower figures on others.",
        "",
        "| | " + " | ".join(TITLES[name] for name in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for title, values in {"this model": figures, **figures["baselines"]}.items():
        cells = " | ".join(spell(name, values[name]) for name in shown)
        lines.append(f"| {title} | {cells} |")
    lines += ["", *(f"**Warning**: {_safe(warning)}." for warning in record["warnings"])]
    if labels := figures.get("labels"):
        lines += ["", "| label | precision | recall | F1 | rows |", "|---|---|---|---|---|"]
        lines += [
            f"| {_safe(label)} | {of['precision']:.1%} | {of['recall']:.1%} | {of['f1']:.1%} | "
            f"{of['rows']:,} |"
            for label, of in list(labels.items())[:_LABELS_SHOWN]
        ]
    confusion = figures.get("confusion", ())
    if 1 < len(confusion) <= _CONFUSION_LABELS:
        names = [_safe(label) for label in figures["labels"]]
        lines += ["", "Rows by their label, columns by what was predicted:", ""]
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [
            f"| {name} | " + " | ".join(map(str, row)) + " |"
            for name, row in zip(names, confusion, strict=True)
        ]
    if "calibration" in figures:
        error = figures["calibration"]["error"]
        lines += ["", f"Expected calibration error of its scores: {100 * error:.1f} points."]
    return "\n".join(lines)


def _limits(record: Mapping[str, Any]) -> str:
    confused = [
        f"- {_safe(pair['label'])}, taken for {_safe(pair['predicted'])}: "
        f"{counted(pair['rows'], 'row')}"
        for pair in record["figures"].get("confused", ())[:_PAIRS_SHOWN]
    ]
    most = "\n\nThe labels that it confuses most:\n\n" + "\n".join(confused)
    return (
        "## Limits\n\nIt knows texts like those that it learned from: on other topics, languages, "
        "lengths or times it guesses. It has the biases of whoever labelled them"
        f"{' and of its teacher' if record['arguments'].get('teacher') else ''}. Judge it on "
        f"rows of your own before you rely on it.{most if confused else ''}"
    )


def _use(name: str, record: Mapping[str, Any]) -> str:
    arguments = record["arguments"]
    pair = arguments["text_pair_column"]
    columns = f"--text_column={shlex.quote(arguments['text_column'])}" + (
        f" --text_pair_column={shlex.quote(pair)}" if pair else ""
    )
    command = "embed" if record["kind"] == VECTORS else "classify"
    return (
        f"## Use\n\n```\npython -m pipelines.{command} --preset=FOLDER --input=… "
        f"{printable(columns, _CHARACTERS)} --output=…\n```"
    )


def _safe(text: str) -> str:
    """Returns a text on one line, with its markup escaped."""
    escaped = printable(text, _CHARACTERS).replace("\\", "\\\\")
    for sign in "`*_[]<>|#":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped


def _code(text: str) -> str:
    """Returns a text as code, on one line."""
    plain = printable(text).replace("`", "'")
    return f"`{plain}`"
