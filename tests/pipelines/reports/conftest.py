"""A browser, and results to make pages of."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import open_browser
from tests.pipelines.reports.browser import Opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of a module's own: Playwright's loop would be in the way of other tests' loops."""
    with open_browser() as found:
        yield found


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a page, from its HTML or its file, in a light and a width."""
    opened: list[Opened] = []

    def open_page_(page: str | Path, scheme: str = "light", width: int = 1200) -> Opened:
        file = page if isinstance(page, Path) else tmp_path / "page.html"
        if isinstance(page, str):
            file.write_text(page, encoding="utf-8")
        opened.append(Opened(browser, file, scheme, width))
        return opened[-1]

    yield open_page_
    for each in opened:
        each.page.close()


Look = tuple[str, int]
LOOKS: list[Any] = [
    pytest.param((scheme, width), id=f"{scheme}-{width}")
    for scheme in ("light", "dark")
    for width in (1200, 375)
]


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> Look:
    """A light and a width."""
    found: Look = request.param
    return found
