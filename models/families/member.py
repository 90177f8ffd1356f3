"""What all classes of a family have in common."""

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from models.families.record import FAMILIES, Family
from models.presets.registry import FamilyPresets, RegisteredPreset
from models.serialization import register

if TYPE_CHECKING:
    from models.presets.preset import Preset

making = threading.Lock()
"""Held while Keras makes a functional model, the first of which changes the bases of its class."""


class FamilyMember:
    """A tokenizer, preprocessor, backbone or task; a subclass with a `family` is of it.

    Keras can save and load such a subclass.
    """

    family: ClassVar[str]
    record: ClassVar[Family]
    """What is known about the family."""
    presets = FamilyPresets()
    part: ClassVar[str]
    """What follows the family's prefix in the name of a class, such as `Preprocessor`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Creates an instance of a family's class.

        Raises:
            TypeError: The class is the base of them.
        """
        # Without arguments it is Keras that asks; a tokenizer of no family is a class of its own.
        if (args or kwargs) and cls.__name__ == cls.part:
            families = ", ".join(f"{family.prefix}{cls.part}" for family in FAMILIES.values())
            raise TypeError(
                f"{cls.__name__} is of no family: make one of {families}, or let "
                f"{cls.__name__}.from_preset(…) find the family"
            )
        made: Self = super().__new__(cls, *args, **kwargs)
        return made

    @classmethod
    def member_of(cls, preset: "Preset | RegisteredPreset") -> type[Self]:
        """Returns the class that is this one in the family of a preset."""
        return cls.of_family(preset.family)

    @classmethod
    def of_family(cls, name: str) -> type[Self]:
        """Returns the class that is this one in a family, such as `bert`."""
        import models

        member: type[Self] = getattr(models, f"{FAMILIES[name].prefix}{cls.part}")
        return member

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "family"):
            cls.record = FAMILIES[cls.family]
            register(cls)
