"""Keras models, tokenizers and preprocessors for text, their presets, and the batch predictor.

The API is KerasNLP's: for each family a tokenizer, preprocessors, a backbone, a classifier, a
masked language model and a text embedder, created with `from_preset()` or with the constructor.
Nothing here knows about Beam.

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
    from models.backbone import Backbone
    from models.families.bert import (
        BertBackbone,
        BertClassifier,
        BertMaskedLM,
        BertMaskedLMPreprocessor,
        BertPreprocessor,
        BertTextClassifierPreprocessor,
        BertTextEmbedder,
        BertTextEmbedderPreprocessor,
        BertTokenizer,
    )
    from models.families.bert import BertClassifier as BertTextClassifier
    from models.families.distil_bert import (
        DistilBertBackbone,
        DistilBertClassifier,
        DistilBertMaskedLM,
        DistilBertMaskedLMPreprocessor,
        DistilBertPreprocessor,
        DistilBertTextClassifierPreprocessor,
        DistilBertTextEmbedder,
        DistilBertTextEmbedderPreprocessor,
        DistilBertTokenizer,
    )
    from models.families.distil_bert import DistilBertClassifier as DistilBertTextClassifier
    from models.families.roberta import (
        RobertaBackbone,
        RobertaClassifier,
        RobertaMaskedLM,
        RobertaMaskedLMPreprocessor,
        RobertaPreprocessor,
        RobertaTextClassifierPreprocessor,
        RobertaTextEmbedder,
        RobertaTextEmbedderPreprocessor,
        RobertaTokenizer,
    )
    from models.families.roberta import RobertaClassifier as RobertaTextClassifier
    from models.families.xlm_roberta import (
        XLMRobertaBackbone,
        XLMRobertaClassifier,
        XLMRobertaMaskedLM,
        XLMRobertaMaskedLMPreprocessor,
        XLMRobertaPreprocessor,
        XLMRobertaTextClassifierPreprocessor,
        XLMRobertaTextEmbedder,
        XLMRobertaTextEmbedderPreprocessor,
        XLMRobertaTokenizer,
    )
    from models.families.xlm_roberta import XLMRobertaClassifier as XLMRobertaTextClassifier
    from models.inference.predictor import Predictor
    from models.preprocessors.masked_lm import MaskedLMPreprocessor
    from models.preprocessors.preprocessor import (
        Preprocessor,
        TextClassifierPreprocessor,
        TextEmbedderPreprocessor,
    )
    from models.tasks.classifier import Classifier
    from models.tasks.classifier import Classifier as TextClassifier
    from models.tasks.masked_lm import MaskedLM
    from models.tasks.text_embedder import TextEmbedder
    from models.tokenizers.tokenizer import Tokenizer

_MODULES = {
    f"{family.prefix}{part}": f"models.families.{family.name}"
    for family in FAMILIES.values()
    for part in (
        *("Backbone", "Classifier", "MaskedLM", "Preprocessor", "TextEmbedder", "Tokenizer"),
        *("MaskedLMPreprocessor", "TextClassifierPreprocessor", "TextEmbedderPreprocessor"),
    )
} | {
    "Backbone": "models.backbone",
    "Classifier": "models.tasks.classifier",
    "MaskedLM": "models.tasks.masked_lm",
    "MaskedLMPreprocessor": "models.preprocessors.masked_lm",
    "Predictor": "models.inference.predictor",
    "Preprocessor": "models.preprocessors.preprocessor",
    "TextClassifierPreprocessor": "models.preprocessors.preprocessor",
    "TextEmbedder": "models.tasks.text_embedder",
    "TextEmbedderPreprocessor": "models.preprocessors.preprocessor",
    "Tokenizer": "models.tokenizers.tokenizer",
}

# Keras Hub's names of what KerasNLP has shorter ones for; both are one class.
_ALIASES = {
    f"{prefix}TextClassifier": f"{prefix}Classifier"
    for prefix in ("", *(family.prefix for family in FAMILIES.values()))
}

__all__ = [
    "Backbone",
    "BertBackbone",
    "BertClassifier",
    "BertMaskedLM",
    "BertMaskedLMPreprocessor",
    "BertPreprocessor",
    "BertTextClassifier",
    "BertTextClassifierPreprocessor",
    "BertTextEmbedder",
    "BertTextEmbedderPreprocessor",
    "BertTokenizer",
    "Classifier",
    "DistilBertBackbone",
    "DistilBertClassifier",
    "DistilBertMaskedLM",
    "DistilBertMaskedLMPreprocessor",
    "DistilBertPreprocessor",
    "DistilBertTextClassifier",
    "DistilBertTextClassifierPreprocessor",
    "DistilBertTextEmbedder",
    "DistilBertTextEmbedderPreprocessor",
    "DistilBertTokenizer",
    "MaskedLM",
    "MaskedLMPreprocessor",
    "Predictor",
    "Preprocessor",
    "PresetError",
    "RobertaBackbone",
    "RobertaClassifier",
    "RobertaMaskedLM",
    "RobertaMaskedLMPreprocessor",
    "RobertaPreprocessor",
    "RobertaTextClassifier",
    "RobertaTextClassifierPreprocessor",
    "RobertaTextEmbedder",
    "RobertaTextEmbedderPreprocessor",
    "RobertaTokenizer",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEmbedder",
    "TextEmbedderPreprocessor",
    "Tokenizer",
    "UserError",
    "XLMRobertaBackbone",
    "XLMRobertaClassifier",
    "XLMRobertaMaskedLM",
    "XLMRobertaMaskedLMPreprocessor",
    "XLMRobertaPreprocessor",
    "XLMRobertaTextClassifier",
    "XLMRobertaTextClassifierPreprocessor",
    "XLMRobertaTextEmbedder",
    "XLMRobertaTextEmbedderPreprocessor",
    "XLMRobertaTokenizer",
]


def __getattr__(name: str) -> Any:
    """Imports the module of a public name on first use."""
    name = _ALIASES.get(name, name)
    if name not in _MODULES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    with importing.lock:
        if name != "Predictor":  # which imports Keras once it is used
            from models.inference import runtime

            runtime.import_keras()
            for family in FAMILIES:  # Keras loads a model whose class it knows already
                importlib.import_module(f"models.families.{family}")
        return getattr(importlib.import_module(_MODULES[name]), name)
