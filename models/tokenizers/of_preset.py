"""The tokenizer of a preset, of whatever kind it is."""

from typing import Any

import models
from models.families.record import FAMILIES
from models.presets.preset import Preset
from models.tokenizers.pipeline_tokenizer import PipelineTokenizer
from models.tokenizers.tokenizer import Tokenizer


def tokenizer_of(preset: Preset, **overrides: Any) -> Tokenizer:
    """Returns the tokenizer of a preset.

    Args:
        preset: The preset.
        **overrides: Arguments of the constructor to use instead of the preset's.

    Raises:
        PresetError: The preset's files are invalid.
    """
    kind = preset.tokenizer_kind
    if kind == PipelineTokenizer.kind:
        return PipelineTokenizer.of_files(preset, **overrides)
    families = [FAMILIES[preset.family], *FAMILIES.values()]
    family = next(family for family in families if family.tokenizer == kind)
    tokenizer_class: type[Tokenizer] = getattr(models, f"{family.prefix}Tokenizer")
    return tokenizer_class.of_files(preset, **overrides)
