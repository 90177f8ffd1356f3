"""The reference has every command, flag and class, and is made of them."""

import argparse
import importlib
import inspect
import re

import pytest

from docs.site import classes, commands
from models.families.record import FAMILIES
from tests.docs.blocks import ROOT
from transforms.reading.formats.record import INPUT_FORMATS

DESCRIBED = {identifier for page in classes.pages() for identifier in page.identifiers}


def test_the_page_of_input_has_every_extension():
    page = (ROOT / "docs" / "corpora.md").read_text("utf-8")
    table = page[page.index("| format | names") : page.index("All input columns stay")]
    named = re.findall(r"`(\.\w+)`", re.sub(r"\| [^|]* \|$", "", table, flags=re.MULTILINE))
    assert named == [each for record in INPUT_FORMATS.values() for each in record.extensions]


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            found += [each for nested in action.choices.values() for each in actions(nested)]
    return found


def test_every_module_that_runs_has_a_page():
    runs = {
        path.stem
        for path in (ROOT / "pipelines").glob("[a-z]*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert set(commands.commands()) == runs
    assert {"classify", "embed", "finetune", "presets", "verify"} <= runs


@pytest.mark.parametrize("command", commands.commands())
def test_a_page_has_every_flag_with_its_help_and_choices(command):
    parser = commands.parser_of(command)
    page = commands.command_page(command)
    for flag in set(parser.flags()) - {"--help"}:
        assert re.search(rf"^#### `{flag}[`=]", page, re.MULTILINE), flag
    plain = re.sub(r"[\\`]", "", page).lower()
    for action in actions(parser):
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        if action.help:
            text = action.help.partition("%(")[0].replace("\\", "").replace("`", "").strip()
            assert text.lower() in plain
        for choice in action.choices or ():
            assert re.search(rf"[`=|]{re.escape(str(choice))}[`|]", page)


@pytest.mark.parametrize("package", ["models", "transforms"])
def test_everything_that_a_package_exports_has_a_section(package):
    found = classes.exports(package)
    assert set(found) <= DESCRIBED
    names = importlib.import_module(package).__all__
    assert sorted(name for each in found.values() for name in each) == sorted(names)
    text = "".join(page.markdown for page in classes.pages())
    assert [name for name in names if not re.search(rf"[` ]{name}[`,]", text)] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_a_page_with_its_classes(family):
    (page,) = (page for page in classes.pages() if page.name == family)
    prefix = FAMILIES[family].prefix
    names = {each.rpartition(".")[2].removeprefix(prefix) for each in page.identifiers}
    assert {"Backbone", "Classifier", "Preprocessor", "Tokenizer"} <= names


def test_what_families_share_is_described_once():
    (shared,) = (page for page in classes.pages() if page.name == "families")
    names = {each.rpartition(".")[2] for each in shared.identifiers}
    assert {"Backbone", "Classifier", "Preprocessor", "WordPieceTokenizer"} <= names


@pytest.mark.parametrize("identifier", sorted(DESCRIBED))
def test_what_has_a_section_is_there_and_says_what_it_is_for(identifier):
    assert inspect.getdoc(classes.described(identifier))
