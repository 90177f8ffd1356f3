"""The classes of each model family."""

import models
from models.families.record import FAMILIES
from models.preprocessors.preprocessor import Preprocessor
from models.presets.preset import Preset
from models.tasks.classifier import Classifier
from models.tasks.text_embedder import TextEmbedder

CLASSIFIERS: dict[str, type[Classifier]] = {
    family.name: getattr(models, f"{family.prefix}Classifier") for family in FAMILIES.values()
}
"""The classifier of each family, which knows the family's other classes."""


def classifier_class(preset: Preset) -> type[Classifier]:
    """Returns the class of a preset's classifier."""
    return CLASSIFIERS[preset.family]


def preprocessor_class(preset: Preset) -> type[Preprocessor]:
    """Returns the class of a preset's preprocessor."""
    return CLASSIFIERS[preset.family].preprocessor_class


def embedder_class(preset: Preset) -> type[TextEmbedder]:
    """Returns the class of a preset's embedder."""
    return TextEmbedder.member_of(preset)
