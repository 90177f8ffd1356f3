"""How a Hugging Face folder that is not right must be refused."""

import tracemalloc

import pytest

from models import (
    BertBackbone,
    BertClassifier,
    PresetError,
    RobertaBackbone,
    RobertaClassifier,
    XLMRobertaBackbone,
    XLMRobertaClassifier,
)
from models.families.distil_bert import DistilBertBackbone, DistilBertClassifier
from models.presets.lookup import open_preset

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
CLASSES_OF = {
    "bert": (BertBackbone, BertClassifier),
    "roberta": (RobertaBackbone, RobertaClassifier),
    "xlm_roberta": (XLMRobertaBackbone, XLMRobertaClassifier),
    "distil_bert": (DistilBertBackbone, DistilBertClassifier),
}


def assert_refused(folder, file, problem, load=None):
    """One line that names the preset, the file and the problem; and no large memory on the way."""
    family = {"bert": "bert", "roberta": "roberta", "xlm_roberta": "xlm_roberta"}[folder.name]
    if load is None:

        def load(preset):
            _ = open_preset(preset).tokenizer_arguments
            CLASSES_OF[family][1].from_preset(preset, preprocessor=None)

    tracemalloc.start()
    try:
        with pytest.raises(PresetError) as caught:
            load(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"preset {str(folder)!r}: {file}: "), message
    assert problem in message
    assert "\n" not in message
    assert peak < 64 << 20
