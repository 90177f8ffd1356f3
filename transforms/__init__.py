"""Apache Beam transforms that read, tokenize, infer and write text corpora.

>>> from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults

are what a pipeline of one's own needs (`docs/transforms.md`); they import Beam when they are asked
for, and not before.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.rows.classify import ClassifyText
    from transforms.rows.embed import EmbedText
    from transforms.rows.kinds import RejectedRow
    from transforms.rows.read import ReadCorpus
    from transforms.rows.write import WriteResults

__all__ = ["ClassifyText", "EmbedText", "ReadCorpus", "RejectedRow", "WriteResults"]

_MODULES = {
    "ClassifyText": "transforms.rows.classify",
    "EmbedText": "transforms.rows.embed",
    "ReadCorpus": "transforms.rows.read",
    "RejectedRow": "transforms.rows.kinds",
    "WriteResults": "transforms.rows.write",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
