"""README.md is short, starts with two commands, and leads to the documentation."""

import re

import pytest

from tests.docs.blocks import PAGES, ROOT, blocks_of
from tests.docs.test_commands import is_at_the_head, shown

TEXT = PAGES["README.md"].read_text("utf-8")
LINKS = re.findall(r"(?:\]\(|src=\")(?!https?:)([^)\"\s]+)", TEXT)


def test_the_head_installs_and_labels_and_then_tests():
    commands = [
        block.text.strip()
        for block in blocks_of("README.md")
        if is_at_the_head(block) and block.language == "sh"
    ]
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e . "
        "&& .venv/bin/python -m pipelines.classify",
        "tests/run",
    ]


def test_the_head_shows_what_the_first_page_shows():
    outputs = [
        next(block.text for block in blocks_of(page) if block.language == "text")
        for page in ("README.md", "docs/index.md")
    ]
    assert shown(outputs[0]) <= shown(outputs[1])


def test_it_has_a_screen_and_a_half():
    assert TEXT.count("\n") <= 90


@pytest.mark.parametrize("link", LINKS)
def test_its_links_lead_somewhere(link):
    path, _, part = link.partition("#")
    page = ROOT / path
    assert page.exists()
    if part:
        titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert part in slugs


def test_it_leads_to_every_page_that_a_user_begins_with():
    begun = {"index", "labelling", "embedding", "finetuning", "python", "presets", "speed"}
    assert {f"docs/{name}.md" for name in begun} <= set(LINKS)
