"""The site as a browser shows it, opened from a folder, without a server or a network."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import DESKTOP, PHONE, browser_path, open_browser
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"phone": PHONE, "desktop": DESKTOP}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as .ci/run builds it."""
    pytest.importorskip("mkdocs")
    browser_path()
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with open_browser() as opened:
        yield opened


class Visit:
    """A page that is open, and what it has asked for and complained of."""

    def __init__(self, browser: "Browser", file: Path, **options: Any) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = browser.new_context(**options).new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    @property
    def elsewhere(self) -> list[str]:
        """What was asked for that is not in a file."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        script = "() => document.documentElement.scrollWidth - window.innerWidth"
        return max(0, self.page.evaluate(script))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_asks_nobody_and_complains_of_nothing(site, browser, size, scheme):
    visit = Visit(browser, site / "index.html", viewport=SIZES[size], color_scheme=scheme)
    assert visit.page.inner_text("h1").startswith("Start in 5 minutes")
    colours = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colours == "rgb(255, 255, 255)") == (scheme == "light")
    assert (visit.elsewhere, visit.complaints, visit.overflow) == ([], [], 0)


def test_no_page_is_wider_than_a_phone_or_has_a_dead_link(site, browser):
    visit = Visit(browser, site / "index.html", viewport=PHONE)
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    assert len(pages) > 30
    for path in pages:
        visit.page.goto(path.as_uri())
        assert visit.overflow == 0, path.relative_to(site)
        links = "() => [...document.querySelectorAll('article a[href]')].map(a => a.href)"
        for link in visit.page.evaluate(links):
            if link.startswith("file:"):
                target = link.removeprefix("file://").partition("#")[0]
                assert Path(target).is_file(), (path.relative_to(site), link)
    assert (visit.elsewhere, visit.complaints) == ([], [])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("embedding_dtype", "reference/commands/embed.html"),
        ("BertClassifier", "reference/python/bert.html"),
        ("rejected rows", "bad_input.html"),
        ("near duplicates", "vectors.html"),
        ("BertTextClassifier", "keras_hub.html"),
        ("ClassifyText", "reference/python/transforms.html"),
    ],
)
def test_the_search_finds(site, browser, size, words, page):
    visit = Visit(browser, site / "index.html", viewport=SIZES[size])
    if size == "phone":
        visit.page.click("label.md-header__button[for=__search]")
    visit.page.locator("input.md-search__input").press_sequentially(words)
    visit.page.wait_for_selector(".md-search-result__link")
    links = "() => [...document.querySelectorAll('.md-search-result__link')].map(a => a.href)"
    found = visit.page.evaluate(links)
    assert any(f"/{page}" in link for link in found[:10]), found[:10]
    assert (visit.elsewhere, visit.complaints) == ([], [])


def test_a_command_is_copied_as_it_stands(site, browser):
    visit = Visit(browser, site / "labelling.html", viewport=DESKTOP)
    shown = visit.page.inner_text("article pre code >> nth=0")
    assert shown.strip() == (
        "python -m pipelines.classify --input='reviews/*.jsonl.gz' --text_column=body "
        "--output=labels/"
    )
