"""Makes the docstrings, which are plain text, into Markdown: examples, and names of classes."""

import re
from typing import Any

import griffe

from docs.site import classes

_EXAMPLE = re.compile(r"^>>> .*(?:\n.*\S.*)*", re.MULTILINE)
_NAME = re.compile(r"(?<![\w`\[])`([A-Z]\w+)`(?![\w`\]])")


class PlainText(griffe.Extension):
    """Puts examples between fences, and links the names of classes that have a section."""

    def __init__(self) -> None:
        super().__init__()
        self._known = {
            each.rpartition(".")[2]: each for page in classes.pages() for each in page.identifiers
        }

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of a module, a class, a function or an attribute."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = _NAME.sub(self._linked, text)

    def _linked(self, found: re.Match[str]) -> str:
        target = self._known.get(found[1])
        return f"[`{found[1]}`][{target}]" if target else found[0]
