"""What the four classes of a family have in common."""

from typing import Any, ClassVar

from models.families.record import FAMILIES, Family
from models.presets.registry import FamilyPresets
from models.serialization import register


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
