"""What the four classes of a family have in common."""

import threading
from typing import Any, ClassVar

from models.families.record import FAMILIES, Family
from models.presets.registry import FamilyPresets
from models.serialization import register

making = threading.Lock()
"""Held while Keras makes a functional model, the first of which changes the bases of its class."""


class FamilyMember:
    """A tokenizer, preprocessor, backbone or classifier; a subclass with a `family` is of it.

    Keras can save and load such a subclass.
    """

    family: ClassVar[str]
    record: ClassVar[Family]
    """What is known about the family."""
    presets = FamilyPresets()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "family"):
            cls.record = FAMILIES[cls.family]
            register(cls)
