"""Keras models, tokenizers and preprocessors for text, their presets, and the batch predictor.

The API is KerasNLP's: for each family a tokenizer, a preprocessor, a backbone and a classifier,
created with `from_preset()` or with the constructor. Nothing here knows about Beam.

TensorFlow is imported with the first model class, not with this package.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from models.backends import importing
from models.errors import PresetError, UserError
from models.families.record import FAMILIES

# Read by TensorFlow and Keras once, when they are imported.
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if TYPE_CHECKING:
    from models.families.bert import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer
    from models.families.distil_bert import (
        DistilBertBackbone,
        DistilBertClassifier,
        DistilBertPreprocessor,
        DistilBertTokenizer,
    )
    from models.families.roberta import (
        RobertaBackbone,
        RobertaClassifier,
        RobertaPreprocessor,
        RobertaTokenizer,
    )
    from models.families.xlm_roberta import (
        XLMRobertaBackbone,
        XLMRobertaClassifier,
        XLMRobertaPreprocessor,
        XLMRobertaTokenizer,
    )
    from models.inference.predictor import Predictor

_MODULES = {
    f"{family.prefix}{part}": f"models.families.{family.name}"
    for family in FAMILIES.values()
    for part in ("Backbone", "Classifier", "Preprocessor", "Tokenizer")
} | {"Predictor": "models.inference.predictor"}

__all__ = [
    "BertBackbone",
    "BertClassifier",
    "BertPreprocessor",
    "BertTokenizer",
    "DistilBertBackbone",
    "DistilBertClassifier",
    "DistilBertPreprocessor",
    "DistilBertTokenizer",
    "Predictor",
    "PresetError",
    "RobertaBackbone",
    "RobertaClassifier",
    "RobertaPreprocessor",
    "RobertaTokenizer",
    "UserError",
    "XLMRobertaBackbone",
    "XLMRobertaClassifier",
    "XLMRobertaPreprocessor",
    "XLMRobertaTokenizer",
]


def __getattr__(name: str) -> Any:
    """Imports the module of a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    with importing.lock:
        if name != "Predictor":  # which imports Keras once it is used
            from models.inference import runtime

            runtime.import_keras()
        return getattr(importlib.import_module(_MODULES[name]), name)
