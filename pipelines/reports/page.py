"""A page: sections in one HTML file that asks nothing of any network."""

import base64
import functools
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import RunError
from pipelines import __version__
from pipelines.reports.blocks import Chart, Section, literal
from pipelines.reports.charts import theme

MAX_BYTES = 3_000_000
"""What a page may have; blocks are to be sampled and shortened so that it is not reached."""

_ASSETS = Path(__file__).parent / "assets"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header><p class="brand">Textbeam {version}</p><h1>{heading}</h1><p class="subtitle">{subtitle}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav></header>
<main id="main" tabindex="-1">
<noscript><p class="warning">Charts and the search need JavaScript; all else is here, and the
figures of each chart are beneath it.</p></noscript>
{sections}
</main>
<footer><p>Made by Textbeam {version}; the page holds all that it shows and asks nothing of any
network. Charts are drawn by Vega-Lite, Vega and Vega-Embed (BSD 3-Clause, © University of
Washington Interactive Data Lab and contributors).</p></footer>
<script type="application/json" id="charts">{charts}</script>
<script>{bundle}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass
class Page:
    """A page.

    Attributes:
        title: Its heading, and the title of its window.
        subtitle: A line beneath it.
        sections: Its sections.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    _charts: list[Chart] = field(default_factory=list, init=False)
    _ids: dict[str, int] = field(default_factory=dict, init=False)

    def new_id(self, words: str) -> str:
        """Returns an id that no other element has."""
        name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40] or "part"
        self._ids[name] = self._ids.get(name, 0) + 1
        count = self._ids[name]
        return f"{name}--{count}" if count > 1 else name

    def add_chart(self, chart: Chart) -> int:
        """Adds a chart; returns its index."""
        self._charts.append(chart)
        return len(self._charts) - 1

    def to_html(self) -> str:
        """Returns the page.

        Raises:
            RunError: It has more than `MAX_BYTES`.
        """
        self._charts, self._ids = [], {"main": 1, "charts": 1}
        rendered = [self._section(section) for section in self.sections]
        links = "".join(f'<li><a href="#{id_}">{title}</a></li>' for id_, title, _ in rendered)
        style = _asset("page.css")
        scripts = [_bundle(), _asset("page.js")] if self._charts else ["", _asset("page.js")]
        page = _PAGE.format(
            policy=_policy(style, scripts),
            version=__version__,
            title=literal(self.title),
            heading=literal(self.title),
            subtitle=literal(self.subtitle),
            style=style,
            links=links,
            sections="\n".join(body for _, _, body in rendered),
            charts=_packed({"theme": theme(), "charts": [_spec(each) for each in self._charts]}),
            bundle=scripts[0],
            script=scripts[1],
        )
        size = len(page.encode())
        if size > MAX_BYTES:
            raise RunError(f"the page has {size:,} bytes, more than {MAX_BYTES:,}")
        return page

    def _section(self, section: Section) -> tuple[str, str, str]:
        id_ = self.new_id(section.title)
        title = literal(section.title)
        intro = f'<p class="intro">{literal(section.intro)}</p>' if section.intro else ""
        body = "\n".join(block.render(self) for block in section.blocks)
        heading = f'<h2 id="{id_}" tabindex="-1">{title}</h2>'
        return id_, title, f'<section aria-labelledby="{id_}">{heading}{intro}{body}</section>'


def _packed(value: object) -> str:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(plain.encode(), 9, mtime=0)).decode()


def _spec(chart: Chart) -> dict[str, Any]:
    spec: dict[str, Any] = chart.chart.to_dict()
    spec.pop("$schema", None)
    spec.pop("config", None)  # the page has one for all
    return spec


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Returns what a browser may do with the page: run these scripts, and nothing else."""
    allowed = " ".join(_source(script) for script in scripts)
    rules = {
        "default-src": "'none'",
        "script-src": allowed,
        "style-src": _source(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _source(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@functools.cache
def _bundle() -> str:
    """Returns Vega-Embed, Vega-Lite and Vega as one script."""
    import vl_convert

    made: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # What would end a script element may stand in strings alone, where a backslash changes nothing.
    return re.sub(r"<(?=/script|script|!--)", r"\\x3c", made, flags=re.IGNORECASE)
