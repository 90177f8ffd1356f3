"""The reference of the Python packages, made of what they export."""

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path

from models.families.record import FAMILIES

ROOT = Path(__file__).parents[2]
# What all families have in common, which the pages of their classes lead to.
_BASES = (
    "models.backbone.Backbone",
    "models.tasks.classifier.Classifier",
    "models.preprocessor.Preprocessor",
    "models.tokenizers.tokenizer.Tokenizer",
    "models.tokenizers.wordpiece_tokenizer.WordPieceTokenizer",
    "models.tokenizers.byte_pair.BytePairTokenizer",
    "models.tokenizers.sentence_piece.SentencePieceTokenizer",
)
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
        identifiers: Dotted names of what it describes.
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
        parts = [f"# {self.title}", self.what, *described]
        return "\n\n".join(parts) + "\n"


def pages() -> list[Page]:
    """Returns the pages, which have every name that the packages export."""
    exported = exports("models")
    of_families = {
        family.name: [each for each in exported if each.split(".")[1].startswith(family.prefix)]
        for family in FAMILIES.values()
    }
    taken = {each for names in of_families.values() for each in names}
    others = [each for each in exported if each not in taken]
    return [
        Page(
            "models",
            "The predictor and errors",
            "What `models` exports beside the classes of the families.",
            (*others, "models.tasks.embedder.Embedder"),
        ),
        *(
            Page(
                name,
                _TITLES.get(name, name),
                f"The classes of this family: `from models import {names[0].split('.')[1]}`. Their "
                "methods, such as `from_preset`, are those of [all families](families.md).",
                tuple(names),
                has_inherited=False,
            )
            for name, names in of_families.items()
        ),
        Page(
            "families",
            "What families share",
            "Each class of a family is one of these, with its family's settings.",
            _BASES,
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
            "For pipelines of your own. Their elements are Arrow record batches.",
            tuple(exports("transforms")),
        ),
    ]


def exports(package: str) -> list[str]:
    """Returns the dotted names of what a package exports.

    Of a package without `__all__` these are the public PTransforms and handlers of its modules.
    """
    names = getattr(importlib.import_module(package), "__all__", None)
    if names is not None:
        return [f"{package}.{name}" for name in names]
    return [
        f"{package}.{path.stem}.{node.name}"
        for path in sorted((ROOT / package).glob("[a-z]*.py"))
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(
            kind in ast.unparse(base)
            for base in node.bases
            for kind in ("PTransform", "_Infer", "ModelHandler")
        )
    ]
