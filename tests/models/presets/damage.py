"""Damaging a preset folder, and how it must then be refused."""

import json
import tracemalloc

import pytest

from models import BertClassifier, PresetError

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor.json"
TASK = "task.json"
LABELS = "labels.json"
VOCABULARY = "assets/tokenizer/vocabulary.txt"
WEIGHTS = "model.weights.h5"
TASK_WEIGHTS = "task.weights.h5"
POSITIONS = "layers/position_embedding/vars/0"
BIAS = "layers/dense/vars/1"


def assert_refused(folder, file, problem):
    """One line that names the preset, the file and the problem; and no large memory on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(PresetError) as caught:
            BertClassifier.from_preset(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"preset {str(folder)!r}: {file}: ")
    assert problem in message
    assert "\n" not in message
    assert peak < 64 << 20


def edit(folder, file, *path_and_value):
    """Sets what is at a path in a JSON file."""
    *path, last, value = path_and_value
    content = json.loads((folder / file).read_bytes())
    at = content
    for key in path:
        at = at[key]
    at[last] = value
    (folder / file).write_text(json.dumps(content))
