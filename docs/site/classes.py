"""The reference of the Python packages, made of what they export."""

import ast
import functools
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.families.record import FAMILIES

ROOT = Path(__file__).parents[2]
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
    """

    name: str
    title: str
    what: str
    identifiers: tuple[str, ...]
    has_inherited: bool = True

    @property
    def markdown(self) -> str:
        """The page, in which mkdocstrings puts the docstrings."""
        options = "" if self.has_inherited else "\n    options: {inherited_members: false}"
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
    embedder = "models.tasks.embedder.Embedder"
    return [
        Page(
            "models",
            "The predictor and errors",
            f"What `models` exports beside the classes of families.{_import(others)}",
            (*others, *(() if embedder in taken or embedder in others else (embedder,))),
        ),
        *(
            Page(
                name,
                _TITLES.get(name, name),
                f"Methods such as `from_preset` are those of [all families](families.md)."
                f"{_import(found)}{_aliases(found)}",
                tuple(found),
                has_inherited=False,
            )
            for name, found in of_families.items()
        ),
        Page(
            "families",
            "What families share",
            "Each class of a family is one of these, with its family's settings.",
            tuple(bases),
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
            "For [pipelines of your own](../../python.md#in-pipelines-of-your-own).",
            tuple(exports("transforms")),
        ),
    ]


@functools.cache
def exports(package: str) -> dict[str, list[str]]:
    """Returns what a package exports: where each is defined, with the names that it has there.

    Of a package without `__all__` these are the public PTransforms and handlers of its modules.
    """
    imported = importlib.import_module(package)
    found: dict[str, list[str]] = {}
    for name in getattr(imported, "__all__", ()):
        found.setdefault(_where(getattr(imported, name)), []).append(name)
    if found:
        return found
    kinds = ("PTransform", "_Infer", "ModelHandler")
    return {
        f"{package}.{path.stem}.{node.name}": [node.name]
        for path in sorted((ROOT / package).glob("[a-z]*.py"))
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if any(kind in ast.unparse(base) for base in node.bases for kind in kinds)
    }


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


def _import(identifiers: Iterable[str]) -> str:
    lines = [f"    {identifier.rpartition('.')[2]}," for identifier in identifiers]
    return "\n".join(["\n\n```text", "from models import (", *lines, ")", "```"])


def _aliases(found: dict[str, list[str]]) -> str:
    sentences = [
        f"`{alias}` is another name of `{where.rpartition('.')[2]}`."
        for where, names in found.items()
        for alias in names
        if alias != where.rpartition(".")[2]
    ]
    return f"\n\n{' '.join(sentences)}" if sentences else ""
