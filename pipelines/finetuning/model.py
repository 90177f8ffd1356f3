"""The model that `python -m pipelines.finetune` trains: from a preset, or from scratch."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from models.families.record import FAMILIES
from transforms.rows.fitting import check_sequence_length

if TYPE_CHECKING:
    from models.presets.preset import Preset
    from models.tasks.classifier import Classifier

# Families with a WordPiece vocabulary, which is trained here.
_FAMILIES_FROM_SCRATCH = [
    family.name for family in FAMILIES.values() if family.tokenizer == "wordpiece"
]

# Positions of a model from scratch if its configuration does not say.
_MAX_SEQUENCE_LENGTH = 512


def read_shape(path: Path) -> dict[str, Any]:
    """Reads the shape of a model to train from scratch.

    Args:
        path: A JSON object with `family`, `lowercase` and the arguments of the backbone.

    Raises:
        UserError: No such file, not JSON, an unknown or missing field, or a wrong value.
    """
    from models.presets.fields import BACKBONE_FIELDS, check_fields

    try:
        shape = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"--config={path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"--config={path} is not valid JSON: {error}") from None
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


def length_from_scratch(shape: Mapping[str, Any], sequence_length: int | None) -> int:
    """Returns the maximum tokens of a text for a model from scratch.

    Args:
        shape: Result of `read_shape`.
        sequence_length: The one asked for; all positions if `None`.

    Raises:
        UserError: The model has fewer positions.
    """
    longest: int = shape["max_sequence_length"]
    if sequence_length is not None and sequence_length > longest:
        raise UserError(
            f"--sequence_length={sequence_length} is over the max_sequence_length of --config, "
            f"{longest}"
        )
    return sequence_length or longest


def from_preset(
    preset: "Preset", labels: list[str], length: int, activation: str | None, *, is_number: bool
) -> tuple["Classifier", bool]:
    """Returns the classifier of a preset, and whether its scores mean something else than before.

    The preset's own head is kept if its labels are the same, and a text may have as many of them;
    for a number, if it gives one, whatever that is called. A number before it goes through another
    activation means something else.

    Args:
        preset: Preset of a backbone or a classifier.
        labels: Names of the classes.
        length: Maximum tokens of a text.
        activation: Activation of the scores.
        is_number: Whether the classifier is to give a number.
    """
    from models.tasks.classifier import Classifier

    kind = Classifier.member_of(preset)
    preprocessor = kind.preprocessor_class.from_preset(preset, length)
    head: dict[str, Any] = {"preprocessor": preprocessor, "activation": activation}
    if preset.has_classifier and is_number and len(preset.labels) == 1:
        own = preset.head_config.get("activation") or "linear"
        return kind.from_preset(preset, labels=labels, **head), own != (activation or "linear")
    gives_labels = preset.has_classifier and not (is_number or preset.gives_numbers)
    has_head = gives_labels and preset.is_multi_label == (activation == "sigmoid")
    if has_head and sorted(preset.labels) == sorted(labels):
        return kind.from_preset(preset, **head), False
    return kind.from_preset(preset, num_classes=len(labels), labels=labels, **head), True


def from_scratch(
    shape: dict[str, Any],
    labels: list[str],
    length: int,
    texts: Sequence[str],
    activation: str | None,
) -> "Classifier":
    """Returns an untrained classifier with a vocabulary made from the training texts.

    Args:
        shape: Result of `read_shape`.
        labels: Names of the classes.
        length: Maximum tokens of a text.
        texts: Texts to make the vocabulary from.
        activation: Activation of the scores.
    """
    from models.tasks.classifier import Classifier
    from models.tokenizers.vocabulary import train_wordpiece

    kind = Classifier.of_family(shape["family"])
    lowercase = shape.get("lowercase", True)
    arguments = {name: shape[name] for name in shape if name not in ("family", "lowercase")}
    vocabulary = train_wordpiece(texts, shape["vocabulary_size"], lowercase)
    try:
        backbone = kind.backbone_class(**{**arguments, "vocabulary_size": len(vocabulary)})
    except ValueError as error:
        raise UserError(f"--config: {error}") from None
    tokenizer = kind.preprocessor_class.tokenizer_class(vocabulary, lowercase=lowercase)
    preprocessor = kind.preprocessor_class(tokenizer, length)
    return kind(
        backbone,
        len(labels),
        preprocessor,
        activation,
        dropout=backbone.dropout,
        labels=labels,
    )


def scale_head(classifier: "Classifier", factor: float, offset: float) -> None:
    """Changes the head of a classifier so that each score becomes `factor * score + offset`."""
    logits = classifier.logits
    logits.kernel.assign(logits.kernel * factor)
    logits.bias.assign(logits.bias * factor + offset)


def find_start(
    args: argparse.Namespace,
) -> tuple["Preset | None", dict[str, Any], int]:
    """Returns the preset or the shape to start from, and the maximum tokens of a text.

    Raises:
        UserError: A flag does not fit it, or what comes of it could not be saved.
    """
    from models.presets.storable import check_holds
    from pipelines.fetching import open_named

    preset = open_named(args.preset) if args.preset else None
    if preset:
        shape: dict[str, Any] = {}
        length, family = preset.resolve_length(args.sequence_length), preset.family
        num_layers, packing = preset.backbone_config["num_layers"], preset.packing
        check_holds(FAMILIES[family], preset.tokenizer_kind, packing)
    else:
        shape, num_layers = read_shape(Path(args.config)), 0
        length, family = length_from_scratch(shape, args.sequence_length), shape["family"]
        packing = FAMILIES[family].packing
    num_texts = 2 if args.text_pair_column else 1
    check_sequence_length(length, packing.num_special(num_texts), num_texts)
    for flag in ("freeze_layers", "lora_rank"):
        if getattr(args, flag) and not preset:
            raise UserError(f"--{flag} needs a --preset: frozen weights must be trained already")
    if args.task == "regression" and args.weights_dtype == "float16":
        raise UserError("--weights_dtype=float16 would round the numbers of --task=regression")
    if args.freeze_layers and args.freeze_layers >= num_layers:
        raise UserError(
            f"--freeze_layers={args.freeze_layers} leaves none of {num_layers} layers to learn"
        )
    return preset, shape, length
