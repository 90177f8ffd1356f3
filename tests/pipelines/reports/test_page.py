"""A page in a browser: what it shows, what it keeps to itself, and who can use it."""

import re

import numpy as np
import pytest

from models.errors import RunError
from pipelines.reports import charts
from pipelines.reports.blocks import (
    Chart,
    Code,
    Facts,
    Prose,
    Section,
    Table,
    Text,
    Texts,
    literal,
    plain,
)
from pipelines.reports.page import MAX_BYTES, Page

HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": '<a href="javascript:alert(1)">x</a>',
    "comment": "<!-- <script> -->",
    "attribute": '" onfocus="alert(1)" autofocus=\'',
    "template": "{{7*7}} ${alert(1)} {title}",
    "separators": "a\u2028b\u2029c",
    "nul": "a\0b",
    "bidi": "a\u202egpj.b\u2066c",
    "escape": "a\x1b[31mb",
    "style": "</style><style>body{display:none}",
    "variable": "--accent",
    "long": "x" * 10_000_000,
    "astral": "👩‍👩‍👧 \U0010ffff 語",
    "expression": "datum.name === '\\' || alert(1)",
    "empty": "",
}


def every_block(names):
    """A section of all blocks, with names and texts in every place for such."""
    short = [name[:100] for name in names]
    table = Table(short[0], ["name", "value"], [[name, i] for i, name in enumerate(names)])
    points = np.random.default_rng(0).normal(size=(300, 2))
    rows = [
        {
            "x": float(x),
            "y": float(y),
            "category": names[i % len(names)],
            "text": plain(names[i % len(names)]),
        }
        for i, (x, y) in enumerate(points)
    ]
    of_names = {name: i + 1 for i, name in enumerate(names)}
    series = [{"x": i % 9, "y": i, "series": names[i % len(names)]} for i in range(9 * len(names))]
    return Section(
        "Blocks",
        [
            *(Prose(name) for name in names),
            Prose("a warning", is_warning=True),
            Facts({name: name for name in names}),
            Facts({"rows": 1_234_567, "share": 0.5, "none": None, "is": True}, are_large=True),
            Chart(
                "Bars", charts.bars(of_names, title="rows", earlier=of_names), "They grow.", table
            ),
            Chart(
                "Histogram",
                charts.histogram(charts.binned(points[:, 0]), title="x", marks={short[0]: 0.5}),
                "A bell.",
            ),
            Chart("Lines", charts.lines(series, x="x", y="y", series="name"), "They rise."),
            Chart(
                "Area",
                charts.lines([{"x": i, "y": i} for i in range(9)], x="x", y="y", is_area=True),
                ".",
            ),
            Chart(
                "Spans", charts.spans({name: [0, 1, 2, 3, 4] for name in names}, title="x"), "Wide."
            ),
            Chart(
                "Points",
                charts.scatter(rows, category="name", tooltips={"text": "text"}),
                "A cloud.",
                renderer="canvas",
            ),
            Texts(
                short[0],
                [Text(name, {name[:50]: name}, {"kind": name}, pair=name) for name in names],
            ),
            Code(short[0], "\n".join(short)),
        ],
        intro=names[0],
    )


@pytest.fixture(scope="module")
def hostile_page():
    return Page(
        HOSTILE["script"], HOSTILE["image"], [every_block(list(HOSTILE.values()))]
    ).to_html()


def test_hostile_texts_do_nothing_in_any_block(open_page, hostile_page, look):
    opened = open_page(hostile_page, *look)
    opened.check()
    assert len(opened.marks) == 6
    assert opened.page.title() == HOSTILE["script"]
    assert opened.page.evaluate("document.images.length") == 0
    assert opened.page.evaluate("document.scripts.length") == 3


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("long", "empty")])
def test_a_hostile_text_is_shown_as_it_is(open_page, hostile_page, name):
    opened = open_page(hostile_page)
    expected = {
        "separators": r"a\u2028b\u2029c",
        "nul": r"a\x00b",
        "bidi": r"a\u202egpj.b\u2066c",
        "escape": r"a\x1b[31mb",
        "astral": "👩\u200d👩\u200d👧 \\U0010ffff 語",
    }.get(name, HOSTILE[name])
    assert expected in opened.page.locator("main > section > p:not(.intro)").all_text_contents()
    assert expected in opened.page.locator(".text").all_text_contents()
    assert expected in opened.page.locator("tbody th").all_text_contents()


def test_a_page_of_the_longest_texts_is_small(hostile_page):
    assert len(hostile_page.encode()) < MAX_BYTES


def test_a_page_that_is_too_large_is_refused():
    text = "".join(map(chr, np.random.default_rng(0).integers(0x4E00, 0x9FFF, 500)))
    texts = [Text(f"{text}{i}") for i in range(2000)]
    with pytest.raises(RunError, match=r"the page has 3,\d\d\d,\d\d\d bytes, more than 3,000,000"):
        Page("a", "b", [Section("Texts", [Texts("Search", texts)])]).to_html()


def test_the_policy_allows_three_hashes_and_nothing_else(hostile_page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', hostile_page)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashed = r"'sha256-[A-Za-z0-9+/]{43}='"
    assert rules.pop("default-src") == "'none'"
    assert re.fullmatch(f"{hashed} {hashed}", rules.pop("script-src"))
    assert re.fullmatch(hashed, rules.pop("style-src"))
    assert rules == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_the_same_page_has_the_same_bytes():
    section = Section("Blocks", [Chart("Bars", charts.bars({"a": 1}, title="rows"), "One.")])
    pages = [Page("a", "b", [section]).to_html() for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_search_counts_and_shows_what_it_finds(open_page):
    texts = [
        Text(
            f"text {i} {'Apple' if i % 3 == 0 else 'pear'}",
            {"at": i},
            {"half": "first" if i < 30 else "last"},
        )
        for i in range(60)
    ]
    page = Page("a", "b", [Section("Texts", [Texts("Search the texts", texts, {"half": "first"})])])
    opened = open_page(page.to_html())
    opened.check()
    at = opened.page
    search, count = at.get_by_role("searchbox", name="Search the texts"), at.get_by_role("status")
    assert count.text_content() == "30 texts, the first 20 shown"
    assert at.get_by_role("listitem").filter(has=at.locator(".text")).count() == 20
    at.get_by_role("button", name="Show more").click()
    assert count.text_content() == "30 texts"
    search.fill("APPLE")
    assert count.text_content() == "10 texts"
    at.get_by_role("combobox", name="half").select_option("all")
    assert count.text_content() == "20 texts"
    search.fill("text 59 pear")
    assert count.text_content() == "1 text"
    assert at.locator(".text:visible").all_text_contents() == ["text 59 pear"]
    search.fill("<nothing>")
    assert count.text_content() == "0 texts"
    search.press("Enter")  # sends no form
    assert opened.requests == [opened.url]


def test_all_can_be_reached_by_keyboard(open_page):
    opened = open_page(Page("a", "b", [every_block(["one", "two"])]).to_html())
    at = opened.page
    at.keyboard.press("Tab")
    assert at.evaluate("document.activeElement.className") == "skip"
    assert at.locator(".skip").bounding_box()["x"] >= 0
    at.keyboard.press("Enter")
    assert at.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(40):
        at.keyboard.press("Tab")
        width = at.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        tag = at.evaluate("document.activeElement.tagName")
        reached.add(tag)
        assert tag == "BODY" or width == "3px", tag
        if tag == "SUMMARY":
            is_open = "document.activeElement.parentElement.open"
            before = at.evaluate(is_open)
            at.keyboard.press("Enter")
            assert at.evaluate(is_open) != before
    assert {"SUMMARY", "DIV", "INPUT", "SELECT", "BUTTON", "PRE"} <= reached


def test_a_screen_reader_is_told_what_charts_show(open_page):
    table = Table("Rows by label", ["label", "rows"], [["up", 3], ["down", 1]])
    chart = Chart("Rows", charts.bars({"up": 3, "down": 1}, title="rows"), "Up leads.", table)
    opened = open_page(Page("A title", "b", [Section("Labels", [chart])]).to_html())
    opened.page.locator("summary").click()
    found = opened.page.locator("main").aria_snapshot()
    for expected in (
        'region "Labels"',
        'heading "Labels" [level=2]',
        'heading "Rows" [level=3]',
        "paragraph: Up leads.",
        'img "Rows"',
        'table "Rows by label"',
        'columnheader "label"',
        'rowheader "up"',
        'cell "3"',
    ):
        assert expected in found
    assert "graphics" not in found
    assert found.count("- img") == 1  # and not every number of its axes


def test_charts_change_their_colours_with_the_light(open_page):
    chart = Chart("Rows", charts.bars({"up": 3, "down": 1}, title="rows"), "Up leads.")
    opened = open_page(Page("a", "b", [Section("Labels", [chart])]).to_html())
    fill = "document.querySelector('.mark-rect path')?.getAttribute('fill')"
    accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()"
    light = opened.page.evaluate(fill)
    assert light == opened.page.evaluate(accent)
    opened.page.emulate_media(color_scheme="dark")
    opened.wait_until(lambda: opened.page.evaluate(fill) not in (None, light))
    assert opened.page.evaluate(fill) == opened.page.evaluate(accent)
    opened.check()


def test_a_chart_takes_the_width_of_its_window(open_page):
    chart = Chart("Rows", charts.bars({"up": 3, "down": 1}, title="rows"), "Up leads.")
    opened = open_page(Page("a", "b", [Section("Labels", [chart])]).to_html())
    svg = opened.page.locator("svg")
    wide = svg.bounding_box()["width"]
    opened.page.set_viewport_size({"width": 375, "height": 800})
    opened.wait_until(lambda: svg.bounding_box()["width"] < wide / 2)
    assert opened.overflow <= 0


def test_a_tooltip_shows_a_hostile_text_as_it_is(open_page):
    chart = Chart("Rows", charts.bars({HOSTILE["image"]: 3}, title="rows"), "One.")
    opened = open_page(Page("a", "b", [Section("Labels", [chart])]).to_html())
    opened.page.locator(".mark-rect path").hover()
    assert HOSTILE["image"] in opened.page.locator(".tip").text_content()
    opened.page.keyboard.press("Escape")
    assert opened.page.locator(".tip").is_hidden()
    opened.check()


def test_code_is_copied_or_selected(open_page):
    opened = open_page(Page("a", "b", [Section("Use", [Code("Read it", "import x")])]).to_html())
    opened.page.get_by_role("button", name="Copy: Read it").click()
    button = opened.page.locator("[data-copy]")
    opened.wait_until(lambda: button.text_content() in ("Copied", "Selected"))
    opened.check()


def test_a_page_says_all_without_scripts(browser, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(Page("a", "b", [every_block(["one", "two"])]).to_html(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("noscript").is_visible()
    assert page.locator(".text:visible").count() == 4
    page.locator("summary").first.click()
    assert page.locator("table").is_visible()
    context.close()


def test_a_page_is_printed_in_light_colours(open_page):
    chart = Chart("Rows", charts.bars({"up": 3, "down": 1}, title="rows"), "Up leads.")
    opened = open_page(Page("a", "b", [Section("Labels", [chart])]).to_html(), "dark")
    fill = "document.querySelector('.mark-rect path')?.getAttribute('fill')"
    dark = opened.page.evaluate(fill)
    opened.page.emulate_media(media="print", color_scheme="dark")
    opened.wait_until(lambda: opened.page.evaluate(fill) not in (None, dark))
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", paper))) > 240
    opened.check()


@pytest.mark.parametrize(
    "text",
    ["می‌خواهم", "क्‍ष", "👩‍👩‍👧", "a\u00a0b\u3000c", "שלום\u200f!", "a\n\tb"],
    ids=["persian", "hindi", "family", "spaces", "hebrew", "lines"],
)
def test_what_writing_needs_is_not_spelled_out(text):
    assert literal(text) == text


def test_secrets_are_left_out():
    assert "hunter2" not in literal("postgres://user:hunter2@host/table")
    assert "hunter2" not in plain("password=hunter2")
