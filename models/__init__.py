"""Keras models, tokenizers and preprocessors for text, their presets, and the batch predictor.

The API is KerasNLP's: for each family a tokenizer, preprocessors, a backbone and a classifier,
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
    from models.families.bert import (
        BertBackbone,
        BertClassifier,
        BertMaskedLMPreprocessor,
        BertPreprocessor,
        BertTextClassifierPreprocessor,
        BertTextEmbedderPreprocessor,
        BertTokenizer,
    )
    from models.families.distil_bert import (
        DistilBertBackbone,
        DistilBertClassifier,
        DistilBertMaskedLMPreprocessor,
        DistilBertPreprocessor,
        DistilBertTextClassifierPreprocessor,
        DistilBertTextEmbedderPreprocessor,
        DistilBertTokenizer,
    )
    from models.families.roberta import (
        RobertaBackbone,
        RobertaClassifier,
        RobertaMaskedLMPreprocessor,
        RobertaPreprocessor,
        RobertaTextClassifierPreprocessor,
        RobertaTextEmbedderPreprocessor,
        RobertaTokenizer,
    )
    from models.families.xlm_roberta import (
        XLMRobertaBackbone,
        XLMRobertaClassifier,
        XLMRobertaMaskedLMPreprocessor,
        XLMRobertaPreprocessor,
        XLMRobertaTextClassifierPreprocessor,
        XLMRobertaTextEmbedderPreprocessor,
        XLMRobertaTokenizer,
    )
    from models.inference.predictor import Predictor
    from models.preprocessors.masked_lm import MaskedLMPreprocessor
    from models.preprocessors.preprocessor import (
        Preprocessor,
        TextClassifierPreprocessor,
        TextEmbedderPreprocessor,
    )
    from models.tokenizers.tokenizer import Tokenizer

_MODULES = {
    f"{family.prefix}{part}": f"models.families.{family.name}"
    for family in FAMILIES.values()
    for part in (
        *("Backbone", "Classifier", "Preprocessor", "Tokenizer"),
        *("MaskedLMPreprocessor", "TextClassifierPreprocessor", "TextEmbedderPreprocessor"),
    )
} | {
    "MaskedLMPreprocessor": "models.preprocessors.masked_lm",
    "Predictor": "models.inference.predictor",
    "Preprocessor": "models.preprocessors.preprocessor",
    "TextClassifierPreprocessor": "models.preprocessors.preprocessor",
    "TextEmbedderPreprocessor": "models.preprocessors.preprocessor",
    "Tokenizer": "models.tokenizers.tokenizer",
}

__all__ = [
    "BertBackbone",
    "BertClassifier",
    "BertMaskedLMPreprocessor",
    "BertPreprocessor",
    "BertTextClassifierPreprocessor",
    "BertTextEmbedderPreprocessor",
    "BertTokenizer",
    "DistilBertBackbone",
    "DistilBertClassifier",
    "DistilBertMaskedLMPreprocessor",
    "DistilBertPreprocessor",
    "DistilBertTextClassifierPreprocessor",
    "DistilBertTextEmbedderPreprocessor",
    "DistilBertTokenizer",
    "MaskedLMPreprocessor",
    "Predictor",
    "Preprocessor",
    "PresetError",
    "RobertaBackbone",
    "RobertaClassifier",
    "RobertaMaskedLMPreprocessor",
    "RobertaPreprocessor",
    "RobertaTextClassifierPreprocessor",
    "RobertaTextEmbedderPreprocessor",
    "RobertaTokenizer",
    "TextClassifierPreprocessor",
    "TextEmbedderPreprocessor",
    "Tokenizer",
    "UserError",
    "XLMRobertaBackbone",
    "XLMRobertaClassifier",
    "XLMRobertaMaskedLMPreprocessor",
    "XLMRobertaPreprocessor",
    "XLMRobertaTextClassifierPreprocessor",
    "XLMRobertaTextEmbedderPreprocessor",
    "XLMRobertaTokenizer",
]


def __getattr__(name: str) -> Any:
    """Imports the module of a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    with importing.lock:
        return getattr(importlib.import_module(_MODULES[name]), name)
