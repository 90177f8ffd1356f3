"""BERT (https://arxiv.org/abs/1810.04805), with the API of KerasNLP."""

from typing import Any

from models.backbone import Backbone
from models.preprocessors.masked_lm import MaskedLMPreprocessor
from models.preprocessors.preprocessor import Preprocessor
from models.tasks.classifier import Classifier
from models.tasks.masked_lm import MaskedLM
from models.tasks.text_embedder import TextEmbedder
from models.tokenizers.wordpiece_tokenizer import WordPieceTokenizer


class BertTokenizer(WordPieceTokenizer):
    """BERT's tokenizer; see `WordPieceTokenizer`."""

    family = "bert"


class BertPreprocessor(Preprocessor):
    """Packs `[CLS] text [SEP]` or `[CLS] first [SEP] second [SEP]`; see `Preprocessor`."""

    family = "bert"
    tokenizer_class = BertTokenizer


BertTextClassifierPreprocessor = BertPreprocessor
BertTextEmbedderPreprocessor = BertPreprocessor


class BertMaskedLMPreprocessor(MaskedLMPreprocessor):
    """Packs as `BertPreprocessor` does and hides tokens; see `MaskedLMPreprocessor`."""

    family = "bert"
    tokenizer_class = BertTokenizer


class BertBackbone(Backbone):
    """BERT's encoder, with segments and a pooler; see `Backbone`."""

    family = "bert"

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocabulary_size,
            num_layers,
            num_heads,
            hidden_dim,
            intermediate_dim,
            dropout,
            max_sequence_length,
            dtype,
            num_segments=num_segments,
            **kwargs,
        )


class BertClassifier(Classifier):
    """BERT with a dense layer on its pooled output; see `Classifier`."""

    family = "bert"
    backbone_class = BertBackbone
    preprocessor_class = BertPreprocessor

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        preprocessor: Preprocessor | None = None,
        activation: Any = None,
        dropout: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, num_classes, preprocessor, activation, dropout=dropout, **kwargs)


class BertMaskedLM(MaskedLM):
    """BERT that gives hidden tokens back; see `MaskedLM`."""

    family = "bert"
    backbone_class = BertBackbone
    preprocessor_class = BertMaskedLMPreprocessor


class BertTextEmbedder(TextEmbedder):
    """BERT that makes a vector of a text; see `TextEmbedder`."""

    family = "bert"
    backbone_class = BertBackbone
    preprocessor_class = BertTextEmbedderPreprocessor
