"""A real browser, Chromium, for what is made to be looked at.

Tests that need it skip where none is installed; with TEXTBEAM_REQUIRE_BROWSER=1, as in .ci/run,
they fail there.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PHONE = {"width": 375, "height": 800}
DESKTOP = {"width": 1280, "height": 900}

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser_path() -> str:
    """Returns where the browser is; skips the test, or fails it, where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        say = pytest.fail if os.environ.get("TEXTBEAM_REQUIRE_BROWSER") == "1" else pytest.skip
        say("needs Chromium: apt-get install chromium")
    return found


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Starts the browser, and ends it."""
    path = browser_path()
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        # Chromium's sandbox refuses to run as root.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
