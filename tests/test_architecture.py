"""What `docs/architecture.md` says of the packages: imports point one way, rooms stay small."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ["models", "transforms", "pipelines"]
"""Each imports those before it."""

_MODULES_OF_A_ROOM = 16


def modules() -> dict[str, Path]:
    """The files of all packages by their dotted names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
    }


def imported(path: Path, is_loaded: bool = False) -> Iterator[str]:
    """The modules that a file imports; with `is_loaded` those alone that importing it loads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if is_loaded else ast.walk(tree)
    known = modules()
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


@pytest.mark.parametrize("name", modules())
def test_imports_point_one_way(name):
    allowed = FLOORS[: FLOORS.index(name.split(".")[0]) + 1]
    floors = {found.split(".")[0] for found in imported(modules()[name])} & set(FLOORS)
    assert floors <= set(allowed)


def test_nothing_that_is_loaded_imports_itself_in_a_circle():
    known = modules()
    graph = {
        name: [found for found in imported(path, is_loaded=True) if found in known]
        for name, path in known.items()
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) == set(known)


def test_models_knows_nothing_of_beam():
    for name, path in modules().items():
        if name.startswith("models."):
            assert not any(found.startswith("apache_beam") for found in imported(path)), name


@pytest.mark.parametrize("floor", FLOORS)
def test_no_room_has_too_many_modules(floor):
    for folder in [ROOT / floor, *filter(Path.is_dir, (ROOT / floor).rglob("*"))]:
        found = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(found) <= _MODULES_OF_A_ROOM, folder


def test_every_folder_of_code_is_described_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for floor in FLOORS:
        for folder in (ROOT / floor).glob("*/__init__.py"):
            assert f"{folder.parent.name}/" in page
