"""The classifier of each model family."""

import models
from models.families.record import FAMILIES
from models.presets.preset import Preset
from models.tasks.classifier import Classifier

CLASSIFIERS: dict[str, type[Classifier]] = {
    family.name: getattr(models, f"{family.prefix}Classifier") for family in FAMILIES.values()
}
"""The classifier of each family, which knows the family's other classes."""


def classifier_class(preset: Preset) -> type[Classifier]:
    """Returns the class of a preset's classifier."""
    return CLASSIFIERS[preset.family]
