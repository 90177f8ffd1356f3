"""What a page is made of: charts, tables, texts, facts, code and prose.

Everything that a block is given is shown as it is: a text is data and never HTML.
"""

import html
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from models.redaction import redacted
from pipelines.reporting.shown import counted

if TYPE_CHECKING:
    import altair as alt

Value = str | int | float | bool | None
"""What may stand in a cell of a table."""

TEXT_CHARACTERS = 500
"""Characters of a text that a page shows, unless it is told otherwise."""

_TITLE_CHARACTERS = 300

# What Python does not call printable, and texts need: line ends, joiners of Persian, Hindi and
# emoji, marks of direction, soft hyphens; and every kind of space.
_KEPT = "\n\t\u200c\u200d\u200e\u200f\u061c\xad"


class Numbering(Protocol):
    """Gives what a block needs once a page: ids, and a place among the charts."""

    def new_id(self, words: str) -> str:
        """Returns an id that no other element has."""

    def add_chart(self, chart: "Chart") -> int:
        """Adds a chart; returns its index."""


class Block(Protocol):
    """A piece of a section."""

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""


@dataclass(frozen=True)
class Prose:
    """A paragraph.

    Attributes:
        text: It.
        is_warning: Whether it is something that the reader should act on.
    """

    text: str
    is_warning: bool = False

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        kind = ' class="warning" role="note"' if self.is_warning else ""
        return f"<p{kind}>{literal(self.text)}</p>"


@dataclass(frozen=True)
class Facts:
    """Short facts by their names.

    Attributes:
        facts: The facts; numbers are shown with separators.
        are_large: Whether they are the few figures that a section begins with.
    """

    facts: Mapping[str, Value]
    are_large: bool = False

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        rows = "".join(
            f"<div><dt>{literal(name)}</dt><dd dir=auto>{shown(value)}</dd></div>"
            for name, value in self.facts.items()
        )
        return f'<dl class="{"figures" if self.are_large else "facts"}">{rows}</dl>'


@dataclass(frozen=True)
class Table:
    """A table, with numbers to the right.

    Attributes:
        caption: What it shows, for everyone who does not see what is around it.
        columns: The heads.
        rows: The rows; the first cell of each names it.
        hides_caption: Whether only screen readers are told the caption.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    hides_caption: bool = True

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        numeric = [
            any(_is_number(row[i]) for row in self.rows)
            and all(_is_number(row[i]) or row[i] is None for row in self.rows)
            for i in range(len(self.columns))
        ]
        kinds = [' class="number"' if is_number else "" for is_number in numeric]
        heads = "".join(
            f'<th scope="col"{kind}>{literal(name)}</th>'
            for name, kind in zip(self.columns, kinds, strict=True)
        )
        rows = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in self.rows)
        caption_id = page.new_id("table")
        hidden = ' class="only-read"' if self.hides_caption else ""
        # What scrolls must be reached by keyboard.
        return (
            f'<div class="scrolls" role="region" aria-labelledby="{caption_id}" tabindex="0">'
            f'<table><caption id="{caption_id}"{hidden}>{literal(self.caption)}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


@dataclass(frozen=True)
class Chart:
    """A chart, with what it says in words and in figures.

    Attributes:
        title: Its heading.
        chart: The chart, from `pipelines.reports.charts` or of your own; colours may be the names
            of the page's variables, such as `--accent`, which follow light and dark.
        summary: What it shows, in a sentence or two that stand in for it.
        table: Its figures, to be opened beneath it.
        renderer: `svg`; `canvas` for more than some thousand marks.
        note: A remark beneath it.
    """

    title: str
    chart: "alt.TopLevelMixin"
    summary: str
    table: Table | None = None
    renderer: Literal["svg", "canvas"] = "svg"
    note: str = ""

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        index = page.add_chart(self)
        title_id, summary_id = page.new_id(self.title), page.new_id("summary")
        figures = ""
        if self.table is not None:
            figures = (
                "<details><summary>The figures of this chart"
                f'<span class="only-read">: {literal(self.title)}</span></summary>'
                f"{self.table.render(page)}</details>"
            )
        note = f'<p class="note">{literal(self.note)}</p>' if self.note else ""
        return (
            f'<figure class="chart"><figcaption><h3 id="{title_id}">{literal(self.title)}</h3>'
            f'<p id="{summary_id}">{literal(self.summary)}</p></figcaption>'
            f'<div class="drawing" role="img" aria-labelledby="{title_id}" '
            f'aria-describedby="{summary_id}" data-chart="{index}" '
            f'data-renderer="{self.renderer}"></div>{note}{figures}</figure>'
        )


@dataclass(frozen=True)
class Text:
    """A text with what is known of it.

    Attributes:
        text: The text; more than `TEXT_CHARACTERS` of it are left out, which is said.
        facts: What is known of it, by name; shown above it.
        facets: What it can be chosen by, by the names of the choices.
        pair: A second text, of a pair.
    """

    text: str
    facts: Mapping[str, Value] = field(default_factory=dict)
    facets: Mapping[str, str] = field(default_factory=dict)
    pair: str | None = None


@dataclass(frozen=True)
class Texts:
    """Texts with a search, and a choice for each facet.

    Attributes:
        label: What is searched, as the search's label.
        texts: The texts, in their order.
        chosen: The facets that are chosen at first; all are shown of others.
        characters: Characters of a text that are shown.
        noun: What one of them is called, where they are counted.
    """

    label: str
    texts: Sequence[Text]
    chosen: Mapping[str, str] = field(default_factory=dict)
    characters: int = TEXT_CHARACTERS
    noun: str = "text"

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        choices: dict[str, dict[str, None]] = {}
        for text in self.texts:
            for name, value in text.facets.items():
                choices.setdefault(name, {})[value] = None
        list_id, search_id = page.new_id("texts"), page.new_id("search")
        facets = list(choices)
        selects = "".join(
            self._select(page, list_id, i, name, choices[name]) for i, name in enumerate(facets)
        )
        values = {name: list(choices[name]) for name in facets}
        entries = "".join(self._entry(text, values) for text in self.texts)
        return (
            f'<div class="texts" data-texts="{attribute(self.noun)}">'
            f'<form class="choices" role="search" aria-label="{attribute(self.label)}">'
            '<div class="choice wide">'
            f'<label for="{search_id}">{literal(self.label)}</label><input type="search" '
            f'id="{search_id}" autocomplete="off" spellcheck="false" aria-controls="{list_id}">'
            f'</div>{selects}</form><p class="count" role="status" aria-live="polite">'
            f"{counted(len(self.texts), literal(self.noun))}</p>"
            f'<ol id="{list_id}">{entries}</ol><button type="button" class="more" hidden>'
            "Show more</button></div>"
        )

    def _select(
        self, page: Numbering, list_id: str, index: int, name: str, values: Mapping[str, None]
    ) -> str:
        chosen = self.chosen.get(name)
        options = "".join(
            f'<option value="{i}"{" selected" if value == chosen else ""}>{literal(value)}</option>'
            for i, value in enumerate(values)
        )
        select_id = page.new_id("choice")
        return (
            f'<div class="choice"><label for="{select_id}">{literal(name)}</label>'
            f'<select id="{select_id}" data-facet="{index}" aria-controls="{list_id}">'
            f'<option value="">all</option>{options}</select></div>'
        )

    def _entry(self, text: Text, values: Mapping[str, list[str]]) -> str:
        places = " ".join(
            str(places.index(text.facets[name])) if name in text.facets else "-"
            for name, places in values.items()
        )
        facts = "".join(
            f"<li>{literal(name)} <b>{shown(value)}</b></li>" for name, value in text.facts.items()
        )
        several = [text.text] if text.pair is None else [text.text, text.pair]
        body = "".join(
            f'<p class="text" dir="auto">{literal(each, self.characters)}</p>' for each in several
        )
        return f'<li data-facets="{places}"><ul class="known">{facts}</ul>{body}</li>'


@dataclass(frozen=True)
class Code:
    """Lines to copy.

    Attributes:
        label: What they are.
        code: They.
    """

    label: str
    code: str

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        code_id, label_id = page.new_id("code"), page.new_id("code-label")
        return (
            f'<div class="code"><div class="code-head"><span id="{label_id}">'
            f'{literal(self.label)}</span><button type="button" data-copy="{code_id}" '
            f'aria-label="Copy: {attribute(self.label)}">Copy</button></div>'
            f'<pre tabindex="0" role="region" aria-labelledby="{label_id}"><code id="{code_id}">'
            f"{html.escape(_spelled(self.code))}</code></pre></div>"
        )


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes:
        title: The heading.
        blocks: What is in it.
        intro: A sentence beneath the heading.
    """

    title: str
    blocks: Sequence[Block]
    intro: str = ""


def shown(value: Value) -> str:
    """Returns a value as HTML: numbers with separators, as many digits as say something."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return literal(value, _TITLE_CHARACTERS)


def literal(text: str, most: int = 10 * _TITLE_CHARACTERS) -> str:
    """Returns a text as HTML that shows it as it is, without secrets; not for attributes.

    Args:
        text: It; what is invisible or turns the direction of what follows is spelled out.
        most: Characters to show of it.
    """
    safe = _spelled(redacted(text[: 2 * most]))
    cut = html.escape(safe[:most], quote=False)
    return cut if len(safe) <= most else f'{cut}<span class="cut"> … and more</span>'


def attribute(text: str) -> str:
    """Returns a text for an attribute in double quotes."""
    return html.escape(_spelled(redacted(text[:_TITLE_CHARACTERS])))


def plain(text: str, most: int = _TITLE_CHARACTERS) -> str:
    """Returns a text on one line, for the data of a chart: what `literal` shows, without HTML."""
    line = _spelled(" ".join(redacted(text[: 2 * most]).split()))
    return line if len(line) <= most else f"{line[:most]}…"


def _spelled(text: str) -> str:
    """Returns a text in which what nobody sees, or what turns what follows, is spelled out."""
    return "".join(
        character if _is_shown(character) else character.encode("unicode_escape").decode("ascii")
        for character in text.replace("\r\n", "\n")
    )


def _is_shown(character: str) -> bool:
    if character.isprintable() or character in _KEPT:
        return True
    return unicodedata.category(character) == "Zs"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cells(row: Sequence[Value], kinds: Sequence[str]) -> str:
    head = f'<th scope="row"{kinds[0]} dir="auto">{shown(row[0])}</th>'
    rest = zip(row[1:], kinds[1:], strict=True)
    return head + "".join(f'<td{kind} dir="auto">{shown(value)}</td>' for value, kind in rest)
