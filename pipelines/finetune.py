"""Trains a classifier on labelled texts: `python -m pipelines.finetune`.

Starts from a preset (a backbone or a classifier) or, with `--config`, from scratch, with a
vocabulary trained on the corpus. Keeps the epoch that is best on the validation data, and writes a
preset for `python -m pipelines.classify --preset=…`.
"""

import argparse
import contextlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from pipelines import __version__, options
from pipelines.console import report, run_command, run_process
from pipelines.new_preset import (
    check_output,
    output_folder,
    publish,
    storage_errors,
    unfinished_folder,
)

if TYPE_CHECKING:
    from models.classifier import Classifier
    from models.preset import Preset
    from pipelines.labelled import LabelledTexts, TrainingData

# Share of the training rows held out where no validation data is given.
_HELD_OUT = 0.1

# Those with a WordPiece vocabulary, which is trained here.
_FAMILIES_FROM_SCRATCH = ("bert", "distil_bert")

# Positions of a model from scratch where its configuration does not say.
_MAX_SEQUENCE_LENGTH = 512

# Arguments that shape the preset, for its record.
_RECORDED = (
    "input",
    "validation",
    "input_format",
    "text_column",
    "text_pair_column",
    "label_column",
    "label_names",
    "epochs",
    "batch_size",
    "token_dropout",
    "seed",
    "weights_dtype",
)

_EXAMPLES = """examples:
  python -m pipelines.finetune --preset=sentiment_tiny_en --input=train.tsv --validation=dev.tsv \\
      --text_column=sentence --label_column=label --output=my_preset/
  python -m pipelines.finetune --config=tiny.json --input='mail/*.csv' --output=my_preset/

tiny.json: {"family": "bert", "vocabulary_size": 30000, "lowercase": true, "num_layers": 2,
            "num_heads": 2, "hidden_dim": 128, "intermediate_dim": 512,
            "max_sequence_length": 128, "dropout": 0.1}
"""


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser(
        prog="python -m pipelines.finetune",
        description="Trains a classifier on labelled texts and writes a preset.",
        epilog=_EXAMPLES,
    )
    group = parser.add_argument_group("data")
    group.add_argument(
        "--input",
        action="append",
        type=options.at_home,
        required=True,
        metavar="PATH",
        help="file, glob or folder with labelled texts; may be given again",
    )
    group.add_argument(
        "--validation",
        action="append",
        type=options.at_home,
        metavar="PATH",
        help="labelled texts to choose the epoch on; default: a tenth of the input, held out",
    )
    options.add_column_flags(group)
    group.add_argument("--label_column", default="label", metavar="NAME", help="default: label")
    group.add_argument(
        "--label_names",
        type=options.names,
        metavar="A,B",
        help="names for the labels in the data, those sorted; default: the labels themselves",
    )
    group = parser.add_argument_group("model")
    start = group.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--preset", type=options.at_home, help="name or folder of the preset to start from"
    )
    start.add_argument(
        "--config",
        type=options.at_home,
        metavar="FILE",
        help="JSON file with the shape of a model to train from scratch",
    )
    group.add_argument(
        "--sequence_length",
        type=options.positive,
        metavar="TOKENS",
        help="longer texts are cut; default: the preset's, or --config's max_sequence_length",
    )
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=options.positive, default=3, help="default: 3")
    group.add_argument(
        "--batch_size", type=options.positive, default=32, metavar="ROWS", help="default: 32"
    )
    group.add_argument(
        "--learning_rate",
        type=options.fraction,
        metavar="RATE",
        help="at its peak; default: 5e-5, from scratch 5e-4",
    )
    group.add_argument(
        "--token_dropout",
        type=options.share,
        default=0.0,
        metavar="SHARE",
        help="share of the tokens hidden from the model while it learns; default: 0",
    )
    group.add_argument("--seed", type=options.seed, default=0, help="default: 0")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        type=options.at_home,
        required=True,
        metavar="FOLDER",
        help="the preset to write",
    )
    group.add_argument(
        "--if_exists",
        choices=("error", "overwrite"),
        default="error",
        help="what to do if the output folder is there; default: error",
    )
    group.add_argument(
        "--weights_dtype",
        choices=("float32", "float16"),
        default="float32",
        help="type of the weights in the preset; float16 has half the size; default: float32",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_finetune, argv)


def _finetune(argv: Sequence[str]) -> int:
    args = make_parser().parse_own(argv)
    output = output_folder(args.output)
    with storage_errors(output):
        check_output(output, args.if_exists)

    from pipelines.known_presets import open_known

    if args.preset:
        preset, shape = open_known(args.preset), {}
        length, family = preset.resolve_length(args.sequence_length), preset.family
    else:
        preset, shape = None, read_shape(Path(args.config))
        length, family = _length_from_scratch(shape, args.sequence_length), shape["family"]
    options.check_sequence_length(length, family, 2 if args.text_pair_column else 1)

    with unfinished_folder(output) as folder:
        data = _read_data(args)
        labels = _label_names(data.labels, args.label_names)
        print(data.describe(), flush=True)

        from models import keras_hub, runtime

        runtime.start(streams=False)
        import keras

        keras.utils.set_random_seed(args.seed)
        if preset:
            classifier = _from_preset(preset, labels, length)
        else:
            classifier = _from_scratch(shape, labels, length, data.train)
        learning_rate = args.learning_rate or (5e-5 if preset else 5e-4)
        spelled = dict(zip(labels, data.labels, strict=True))
        # The classes are in the order of the classifier, which may be that of its preset.
        classes = [spelled[label] for label in classifier.labels]
        history, seconds = _train(classifier, data, classes, args, learning_rate)
        scores = zip(history["val_accuracy"], [-loss for loss in history["val_loss"]], strict=True)
        best = max(enumerate(scores), key=lambda epoch: epoch[1])[0]
        accuracy = history["val_accuracy"][best]
        record = {
            "textbeam": __version__,
            "python": platform.python_version(),
            "keras": keras.__version__,
            "start": preset.name if preset else shape,
            "arguments": {name: value for name, value in vars(args).items() if name in _RECORDED},
            "sequence_length": length,
            "learning_rate": learning_rate,
            "rows": {"train": len(data.train), "validation": len(data.validation)},
            "history": history,
            "best_epoch": best + 1,
            "validation_accuracy": accuracy,
            "seconds": round(seconds, 1),
        }
        with storage_errors(output):
            classifier.save_to_preset(folder, args.weights_dtype)
            keras_hub.write_json(folder, "training.json", record)
            publish(folder, output)
    with report():
        print(
            f"\nkept epoch {best + 1}: validation accuracy {accuracy:.1%} on "
            f"{len(data.validation):,} rows\nwrote {args.output}; to use it:\n"
            f"  python -m pipelines.classify --preset={args.output} --input=… --output=…"
        )
    return 0


def _read_data(args: argparse.Namespace) -> "TrainingData":
    from pipelines.labelled import read_training_data

    return read_training_data(
        args.input,
        args.validation,
        _HELD_OUT,
        args.seed,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        label_column=args.label_column,
        input_format=args.input_format,
    )


def read_shape(path: Path) -> dict[str, Any]:
    """Reads the shape of a model to train from scratch.

    Args:
        path: A JSON object with `family`, `lowercase` and the arguments of the backbone.

    Raises:
        UserError: No such file, no JSON, an unknown or missing field, a wrong value.
    """
    from models.preset import BACKBONE_FIELDS, check_fields

    try:
        shape = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"--config={path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"--config={path} is no valid JSON: {error}") from None
    if not isinstance(shape, dict):
        raise UserError(f"--config={path} must hold a JSON object")
    family = shape.setdefault("family", "bert")
    if family not in _FAMILIES_FROM_SCRATCH:
        known = ", ".join(_FAMILIES_FROM_SCRATCH)
        raise UserError(f"--config={path}: family {family!r} is not one of {known}")
    try:
        check_fields(shape, {**BACKBONE_FIELDS, "family": str, "lowercase": bool})
    except ValueError as error:
        raise UserError(f"--config={path}: {error}") from None
    missing = {"vocabulary_size", "num_layers", "num_heads", "hidden_dim"} - shape.keys()
    if missing:
        raise UserError(f"--config={path} lacks {', '.join(sorted(missing))}")
    shape.setdefault("intermediate_dim", 4 * shape["hidden_dim"])
    shape.setdefault("max_sequence_length", _MAX_SEQUENCE_LENGTH)
    return shape


def _label_names(found: list[str], names: list[str] | None) -> list[str]:
    if names is None:
        return found
    if len(names) != len(found) or len(set(names)) != len(names):
        raise UserError(
            f"--label_names must be {len(found)} different names, for the labels {', '.join(found)}"
        )
    return names


def _length_from_scratch(shape: Mapping[str, Any], sequence_length: int | None) -> int:
    longest: int = shape["max_sequence_length"]
    if sequence_length is not None and sequence_length > longest:
        raise UserError(
            f"--sequence_length={sequence_length} is over the max_sequence_length of --config, "
            f"{longest}"
        )
    return sequence_length or longest


def _from_preset(preset: "Preset", labels: list[str], length: int) -> "Classifier":
    """Returns the classifier of a preset; with a new head unless its labels are the same."""
    from models.families import classifier_class

    kind = classifier_class(preset)
    preprocessor = kind.preprocessor_class.from_preset(preset, length)
    # The rows have one label each: a head that scores every label by itself cannot be kept.
    has_head = preset.has_classifier and not preset.is_multi_label
    if has_head and sorted(preset.labels) == sorted(labels):
        return kind.from_preset(preset, preprocessor=preprocessor)
    return kind.from_preset(
        preset, num_classes=len(labels), labels=labels, preprocessor=preprocessor
    )


def _from_scratch(
    shape: dict[str, Any],
    labels: list[str],
    length: int,
    train: "LabelledTexts",
) -> "Classifier":
    """Returns an untrained classifier with a vocabulary of the training texts."""
    from models.families import CLASSIFIERS
    from models.vocabulary import train_wordpiece

    kind = CLASSIFIERS[shape["family"]]
    lowercase = shape.get("lowercase", True)
    arguments = {name: shape[name] for name in shape if name not in ("family", "lowercase")}
    texts = [text for segment in train.segments for text in segment]
    vocabulary = train_wordpiece(texts, shape["vocabulary_size"], lowercase)
    try:
        backbone = kind.backbone_class(**{**arguments, "vocabulary_size": len(vocabulary)})
    except ValueError as error:
        raise UserError(f"--config: {error}") from None
    tokenizer = kind.preprocessor_class.tokenizer_class(vocabulary, lowercase=lowercase)
    preprocessor = kind.preprocessor_class(tokenizer, length)
    return kind(backbone, len(labels), preprocessor, dropout=backbone.dropout, labels=labels)


def _train(
    classifier: "Classifier",
    data: "TrainingData",
    classes: list[str],
    args: argparse.Namespace,
    learning_rate: float,
) -> tuple[dict[str, list[float]], float]:
    """Trains; returns the history and the seconds it took."""
    from models.training import train
    from pipelines.training_progress import TrainingProgress

    began = time.monotonic()
    with contextlib.closing(TrainingProgress()) as progress:
        history = train(
            classifier,
            data.train.x,
            data.train.classes(classes),
            (data.validation.x, data.validation.classes(classes)),
            epochs=args.epochs,
            batch_size=args.batch_size,
            learning_rate=learning_rate,
            token_dropout=args.token_dropout,
            callbacks=[progress],
        )
    rounded = {name: [round(v, 5) for v in values] for name, values in history.history.items()}
    return rounded, time.monotonic() - began


if __name__ == "__main__":
    run_process(main)
