"""What pytest needs to run Keras Hub's tests over our classes: `-p tests.keras_hub.plugin`.

Keras Hub itself is imported first, and then the modules of the four families give way to ones that
hold our classes of the same names.
"""

import importlib
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import models
from models.families.record import FAMILIES

FOLDER, RESULTS = "TEXTBEAM_KERAS_HUB_TESTS", "TEXTBEAM_KERAS_HUB_RESULTS"
"""Variables that name the folder of the tests, and the file of what became of them."""

_SRC = "keras_hub.src"
_NETWORK = ("extra_large", "kaggle_key_required")
_MARKS = (*_NETWORK, "tf_only")
_results: dict[str, list[str]] = {}


class _Stand(ModuleType):
    """A module with our class in the place of Keras Hub's."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(models, name)
        except AttributeError:
            return _absent(name)


def _absent(name: str) -> type:
    """Returns a class that cannot be made, so that the other tests of its module still run."""

    def refuse(self: object, *_: Any, **__: Any) -> None:
        raise NotImplementedError(f"models has no {name}")

    return type(name, (), {"__init__": refuse})


def substitute(folder: Path) -> None:
    """Puts our classes in the place of Keras Hub's, for modules that are imported after."""
    importlib.import_module("keras_hub")
    for family in FAMILIES:
        package = importlib.import_module(f"{_SRC}.models.{family}")
        for source in (folder / "keras_hub/src/models" / family).glob("*.py"):
            if re.search(r"(_test|_presets|__init__)$", source.stem) is None:
                stand = _Stand(f"{package.__name__}.{source.stem}")
                sys.modules[stand.__name__] = stand
    sys.modules[f"{_SRC}.tokenizers.tokenizer"] = _Stand(f"{_SRC}.tokenizers.tokenizer")
    base = ModuleType(f"{_SRC}.tests")
    base.__path__ = [str(folder / "keras_hub/src/tests")]
    sys.modules[base.__name__] = base


def pytest_configure(config: pytest.Config) -> None:
    for mark in (*_MARKS, "large"):
        config.addinivalue_line("markers", f"{mark}: Keras Hub's")
    substitute(Path(os.environ[FOLDER]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    import keras

    is_tensorflow = keras.backend.backend() == "tensorflow"
    out = _NETWORK if is_tensorflow else _MARKS
    kept = [item for item in items if not any(item.get_closest_marker(mark) for mark in out)]
    # `test_session` belongs to TensorFlow's base class, and is none of Keras Hub's.
    items[:] = [item for item in kept if item.name != "test_session"]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _results[name_of(report.nodeid)] = [report.outcome, _reason(report)]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _results[name_of(report.nodeid)] = ["failed", _reason(report)]


def pytest_sessionfinish() -> None:
    Path(os.environ[RESULTS]).write_text(json.dumps(_results), "utf-8")


def name_of(test: str) -> str:
    """Returns `module::test`, as the table of differences calls it."""
    path, _, rest = test.partition("::")
    return "::".join(filter(None, [Path(path).stem, rest.replace("::", ".")]))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else str(report.longrepr)).strip().splitlines()
    return lines[0] if crash else lines[-1]
