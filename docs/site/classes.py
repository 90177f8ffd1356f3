"""The reference of the Python packages, made of what they export."""

import functools
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from models.families.record import FAMILIES

_TITLES = {
    "bert": "BERT",
    "roberta": "RoBERTa",
    "xlm_roberta": "XLM-RoBERTa",
    "distil_bert": "DistilBERT",
}


@dataclass(frozen=True)
class Page:
    """A page of the reference.

    Attributes:
        name: Its file, without the extension.
        title: Its title.
        what: A sentence above the classes.
        identifiers: Dotted names of what it describes, where it is defined.
        has_inherited: Whether what a class inherits is described with it.
        has_bases: Whether a class names those that it inherits from.
    """

    name: str
    title: str
    what: str
    identifiers: tuple[str, ...]
    has_inherited: bool = True
    has_bases: bool = False

    @property
    def markdown(self) -> str:
        """The page, in which mkdocstrings puts the docstrings."""
        inherited, bases = (str(each).lower() for each in (self.has_inherited, self.has_bases))
        options = f"\n    options: {{inherited_members: {inherited}, show_bases: {bases}}}"
        described = [f"::: {each}{options}" for each in self.identifiers]
        return "\n\n".join([f"# {self.title}", self.what, *described]) + "\n"


@functools.cache
def pages() -> list[Page]:
    """Returns the pages, which have every name that the packages export."""
    exported = exports("models")
    of_families = {
        name: {where: names for where, names in exported.items() if where.startswith(module)}
        for name in FAMILIES
        for module in [f"models.families.{name}."]
    }
    bases = _bases(where for found in of_families.values() for where in found)
    taken = {*bases, *(where for found in of_families.values() for where in found)}
    others = [where for where in exported if where not in taken]
    shared = {where: exported[where] for where in bases if where in exported}
    transforms = exports("transforms")
    return [
        Page(
            "models",
            "The predictor and errors",
            f"What `models` exports beside the classes of families.{_import('models', others)}",
            tuple(others),
        ),
        *(
            Page(
                name,
                _TITLES.get(name, name),
                f"Methods such as `from_preset` are those of [all families](families.md)."
                f"{_import('models', found)}{_aliases(found)}",
                tuple(found),
                has_inherited=False,
            )
            for name, found in of_families.items()
        ),
        Page(
            "families",
            "What families share",
            "Each class of a family is one of these, with its settings. `from_preset` of those "
            f"that `models` exports finds the family.{_import('models', shared)}{_aliases(shared)}",
            (*shared, *(where for where in bases if where not in shared)),
            has_inherited=False,
            has_bases=True,
        ),
        Page(
            "quantization",
            "Small vectors",
            "Vectors of bytes and bits, and back: [what `--embedding_dtype` writes]"
            "(../../output_formats.md#small-vectors).",
            ("models.quantization",),
        ),
        Page(
            "transforms",
            "Transforms",
            "For [a pipeline of your own](../../transforms.md)."
            f"{_import('transforms', transforms)}",
            tuple(transforms),
        ),
    ]


@functools.cache
def exports(package: str) -> dict[str, list[str]]:
    """Returns what a package exports: where each is defined, with the names that it has there."""
    imported = importlib.import_module(package)
    found: dict[str, list[str]] = {}
    for name in imported.__all__:
        found.setdefault(_where(getattr(imported, name)), []).append(name)
    return found


def described(identifier: str) -> Any:
    """Returns what a dotted name stands for."""
    module, _, name = identifier.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        return importlib.import_module(identifier)


def _where(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"


def _bases(identifiers: Iterable[str]) -> list[str]:
    """Returns the classes of our own that others inherit from, those nearest to them first."""
    bases: dict[int, list[str]] = {}
    for identifier in identifiers:
        for distance, base in enumerate(inspect.getmro(described(identifier))[1:]):
            if base.__module__.startswith("models."):
                bases.setdefault(distance, []).append(_where(base))
    return list(dict.fromkeys(each for _, found in sorted(bases.items()) for each in found))


def _import(package: str, identifiers: Iterable[str]) -> str:
    lines = [f"    {identifier.rpartition('.')[2]}," for identifier in identifiers]
    return "\n".join(["\n\n```text", f"from {package} import (", *lines, ")", "```"])


def _aliases(found: dict[str, list[str]]) -> str:
    """Returns a table of what has Keras Hub's name, too."""
    rows = []
    for where, names in found.items():
        name = where.rpartition(".")[2]
        if others := [f"`{alias}`" for alias in names if alias != name]:
            rows.append(f"| `{name}` | {', '.join(others)} |")
    return "\n".join(["\n\n| class | also called |", "|---|---|", *rows]) if rows else ""
