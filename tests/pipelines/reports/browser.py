"""A page in a real browser, and all that it did and must not do."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""

# Of each drawing, how many marks have an extent, or how many pixels of its canvas have a colour.
_DRAWN = """
() => [...document.querySelectorAll("[data-chart]")].map((drawing) => {
  const canvas = drawing.querySelector("canvas");
  if (canvas) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  }
  const marks = drawing.querySelectorAll(
    ".mark-rect path, .mark-line path, .mark-area path, .mark-symbol path, .mark-arc path",
  );
  return [...marks].filter((mark) => {
    const box = mark.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  }).length;
})
"""


class Opened:
    """A page that a browser has opened, light and wide unless told otherwise.

    Attributes:
        page: The page, once its charts are drawn.
        said: What came to the console, errors that nobody caught included.
        requests: What was asked for.
    """

    def __init__(
        self, browser: Browser, file: Path, scheme: Any = "light", width: int = 1200
    ) -> None:
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.url = file.absolute().as_uri()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(_WATCH)
        self.page.goto(self.url)
        self.page.locator("html[data-ready=yes]").wait_for(state="attached")

    @property
    def violations(self) -> list[str]:
        """What the page's policy has refused."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    @property
    def marks(self) -> list[int]:
        """How much is to be seen of each chart."""
        found: list[int] = self.page.evaluate(_DRAWN)
        return found

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Waits for what the page does after an event; its policy lets Playwright run no loop."""
        deadline = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(50)

    def check(self) -> None:
        """Checks what is right of every page, in every light and of every width."""
        assert self.said == []
        assert self.requests == [self.url]
        assert self.violations == []
        assert all(self.marks), self.marks
        assert len(self.marks) == self.page.locator("figure.chart").count()
        assert self.overflow <= 0
        self._check_structure()

    def _check_structure(self) -> None:
        levels = self.page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        for problem in self.page.evaluate(_PROBLEMS):
            raise AssertionError(problem)


# What somebody without eyes, or without a mouse, would miss.
_PROBLEMS = """
() => {
  const problems = [];
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) problems.push("two elements have one id");
  const named = (element) => {
    const by = element.getAttribute("aria-labelledby");
    const told = by ? document.getElementById(by)?.textContent : null;
    const label = told ?? element.getAttribute("aria-label");
    return Boolean((label ?? element.labels?.[0]?.textContent ?? element.textContent).trim());
  };
  const selector = "input, select, button, a, section, nav, [role=img], [role=region]";
  for (const element of document.querySelectorAll(selector)) {
    if (!named(element)) problems.push(`no name: ${element.outerHTML.slice(0, 200)}`);
  }
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      if (!document.getElementById(element.getAttribute(name))) problems.push(`${name} of nothing`);
    }
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent) problems.push("a table without a caption");
    for (const head of table.querySelectorAll("th")) {
      if (!head.scope) problems.push("a head without a scope");
    }
  }
  for (const link of document.querySelectorAll("a[href^='#']")) {
    if (!document.getElementById(link.hash.slice(1))) problems.push(`a link to ${link.hash}`);
  }
  return problems;
}
"""
