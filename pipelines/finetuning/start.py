"""What a training starts from: a preset, parts of one, or a model from scratch."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from models.families.record import FAMILIES
from models.presets.fields import BACKBONE_FIELDS, Fields, check_fields
from transforms.rows.fitting import check_sequence_length

if TYPE_CHECKING:
    from models.presets.preset import Preset

# Families with a WordPiece vocabulary, which is trained here.
_FAMILIES_FROM_SCRATCH = [
    family.name for family in FAMILIES.values() if family.tokenizer == "wordpiece"
]

# Positions of a model from scratch if its configuration does not say.
_MAX_SEQUENCE_LENGTH = 512

_PART_FIELDS: Fields = {
    "preset": str,
    "layers": (str, list),
    "vocabulary_size": int,
    "intermediate_dim": int,
    "max_sequence_length": int,
    "dropout": float,
}
"""What a configuration may hold that takes over parts of a preset."""


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        preset: The preset that it starts from, or takes parts of; `None` for random weights.
        shape: What `--config` says, with defaults; empty without it.
        length: Maximum tokens of a text.
        words: The preset whose words a model from scratch begins with, if any.
    """

    preset: "Preset | None"
    shape: dict[str, Any] = field(default_factory=dict)
    length: int = 0
    words: "Preset | None" = None

    @property
    def is_part(self) -> bool:
        """Whether only parts of the preset are taken."""
        return self.preset is not None and bool(self.shape)

    @property
    def record(self) -> Any:
        """What records say: the name of the preset, or the configuration."""
        return self.shape or (self.preset.name if self.preset else None)

    @property
    def key(self) -> list[Any]:
        """What a stopped training is known by."""
        presets = (self.preset, self.words)
        return [self.shape, *(preset.digest for preset in presets if preset is not None)]


def find_start(args: argparse.Namespace) -> Start:
    """Returns what the flags say to start from.

    Raises:
        UserError: A flag does not fit it, or what comes of it could not be saved.
    """
    from models.presets.storable import check_holds
    from pipelines.fetching import open_named

    shape = read_config(Path(args.config)) if args.config else {}
    name, words = (args.preset if args.preset is not None else shape.get("preset")), None
    if name == "":
        raise UserError("the preset to start from must not be an empty name")
    if preset := open_named(name) if name else None:
        if shape:
            _check_parts(args.config, shape, preset)
        longest = shape.get("max_sequence_length")
        length = preset.resolve_length(args.sequence_length or longest)
        if longest is not None and length > longest:
            raise _too_long(args.sequence_length, longest)
        check_holds(FAMILIES[preset.family], preset.tokenizer_kind, preset.packing)
        packing, num_layers = preset.packing, preset.backbone_config["num_layers"]
    else:
        if "word_embeddings" in shape:
            words = open_named(shape["word_embeddings"])
            check_holds(FAMILIES[words.family], words.tokenizer_kind, words.packing)
            shape.setdefault("max_sequence_length", words.max_sequence_length)
        shape.setdefault("max_sequence_length", _MAX_SEQUENCE_LENGTH)
        length, num_layers = _length_from_scratch(shape, args.sequence_length), 0
        family = FAMILIES[words.family if words else shape["family"]]
        packing = words.packing if words else family.packing
    num_texts = 2 if args.text_pair_column else 1
    check_sequence_length(length, packing.num_special(num_texts), num_texts)
    for flag in ("freeze_layers", "lora_rank"):
        if getattr(args, flag) and (shape or not preset):
            raise UserError(f"--{flag} needs a --preset: frozen weights must be trained already")
    if args.task == "regression" and args.weights_dtype != "float32":
        raise UserError(
            f"--weights_dtype={args.weights_dtype} would round the numbers of --task=regression"
        )
    if args.freeze_layers and args.freeze_layers >= num_layers:
        raise UserError(
            f"--freeze_layers={args.freeze_layers} leaves none of {num_layers} layers to learn"
        )
    return Start(preset, shape, length, words)


def read_config(path: Path) -> dict[str, Any]:
    """Reads what `--config` names: the shape of a new model, or the parts of a preset.

    Args:
        path: A JSON object: `family`, `lowercase` and the arguments of the backbone, and
            `word_embeddings`, the preset whose words it begins with; or `preset`, with `layers`,
            `vocabulary_size`, `intermediate_dim` and `max_sequence_length` to keep of it, and the
            `dropout` of the training.

    Raises:
        UserError: No such file, not JSON, an unknown or missing field, or a wrong value.
    """
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"--config={path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"--config={path} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"--config={path} must hold a JSON object")
    own: Fields = {"family": str, "lowercase": bool, "word_embeddings": str}
    is_part, has_words = "preset" in config, "word_embeddings" in config
    if not is_part:
        _check_family(path, config, has_words)
    try:
        check_fields(config, _PART_FIELDS if is_part else {**BACKBONE_FIELDS, **own})
    except ValueError as error:
        raise UserError(f"--config={path}: {error}") from None
    if is_part:
        return config
    missing = {"vocabulary_size", "num_layers", "num_heads", "hidden_dim"} - config.keys()
    if missing:
        raise UserError(f"--config={path} lacks {', '.join(sorted(missing))}")
    config.setdefault("intermediate_dim", 4 * config["hidden_dim"])
    return config


def _check_family(path: Path, config: dict[str, Any], has_words: bool) -> None:
    """Raises `UserError` unless the family can be made; completes it."""
    if has_words:
        for name in ("family", "lowercase"):
            if name in config:
                raise UserError(f"--config={path}: {name} is that of word_embeddings; leave it out")
        return
    family = config.setdefault("family", "bert")
    if family not in _FAMILIES_FROM_SCRATCH:
        known = ", ".join(_FAMILIES_FROM_SCRATCH)
        raise UserError(f"--config={path}: family {family!r} is not one of {known}")


def _check_parts(file: str, shape: Mapping[str, Any], preset: "Preset") -> None:
    """Raises `UserError` if a preset has not the parts that are asked for."""
    from models.students.weights import chosen_layers

    config = preset.backbone_config
    try:
        chosen_layers(shape.get("layers", "all"), config["num_layers"])
    except UserError as error:
        raise UserError(f"--config={file}: {error}") from None
    for name in ("intermediate_dim", "max_sequence_length", "vocabulary_size"):
        most = config.get(name)
        if name in shape and most is not None and shape[name] > most:
            raise UserError(
                f"--config={file}: {name}={shape[name]} is more than the preset has, {most}"
            )


def _length_from_scratch(shape: Mapping[str, Any], sequence_length: int | None) -> int:
    """Returns the maximum tokens of a text for a model from scratch.

    Raises:
        UserError: The model has fewer positions.
    """
    longest: int = shape["max_sequence_length"]
    if sequence_length is not None and sequence_length > longest:
        raise _too_long(sequence_length, longest)
    return sequence_length or longest


def _too_long(sequence_length: int, longest: int) -> UserError:
    return UserError(
        f"--sequence_length={sequence_length} is over the max_sequence_length of --config, "
        f"{longest}"
    )
