"""The examples in docstrings do what they show."""

import doctest
import importlib

import numpy as np
import pytest

import models
from tests.test_architecture import ROOT, modules

WITH_EXAMPLES = [name for name, path in modules().items() if ">>> " in path.read_text("utf-8")]


def test_the_classes_that_are_used_first_have_examples():
    assert {
        "models.backbone",
        "models.tasks.classifier",
        "models.inference.predictor",
        "models.preprocessors.preprocessor",
        "models.tokenizers.tokenizer",
        "transforms.infer",
        "transforms.read",
        "transforms.rows.classify",
        "transforms.rows.embed",
        "transforms.rows.read",
        "transforms.rows.write",
        "transforms.tokenize",
    } <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_an_example_gives_what_it_shows(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    public = {public: getattr(models, public) for public in models.__all__}
    found = doctest.testmod(importlib.import_module(name), extraglobs={**public, "np": np})
    assert found.attempted
    assert not found.failed
