"""BERT (https://arxiv.org/abs/1810.04805), with the API of KerasNLP."""

from collections.abc import Sequence
from typing import Any

from models.backbone import Backbone
from models.classifier import Classifier
from models.packing import LAYOUTS
from models.preprocessor import Preprocessor
from models.tokenizer import WordPieceTokenizer


class BertTokenizer(WordPieceTokenizer):
    """BERT's tokenizer; see `WordPieceTokenizer`."""

    family = "bert"


class BertPreprocessor(Preprocessor):
    """Packs `[CLS] text [SEP]` or `[CLS] first [SEP] second [SEP]`; see `Preprocessor`."""

    family = "bert"
    layout = LAYOUTS["bert"]
    tokenizer_class = BertTokenizer


class BertBackbone(Backbone):
    """BERT's encoder.

    Takes a dict of `token_ids`, `segment_ids` and `padding_mask`, each int32 `[batch, length]`.
    Returns a dict of `sequence_output` `[batch, length, hidden_dim]` and `pooled_output`
    `[batch, hidden_dim]`, the vector of `[CLS]` through one more dense layer.

    Args:
        vocabulary_size: Number of token ids.
        num_layers: Encoder layers.
        num_heads: Attention heads of a layer; divides `hidden_dim`.
        hidden_dim: Width of a token's vector.
        intermediate_dim: Width inside of the feed-forward networks.
        dropout: Share dropped in training.
        max_sequence_length: Positions; no sequence may be longer.
        num_segments: Segment ids.
        activation: `gelu_approximate` (Google's checkpoints), `gelu` (the exact one) or `relu`.
        layer_norm_epsilon: Added to variances.
        dtype: Compute and weight type, such as `bfloat16`; Keras's default if `None`.
        **kwargs: Of `keras.Model`.
    """

    family = "bert"
    has_pooler = True

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
        activation: str = "gelu_approximate",
        layer_norm_epsilon: float = 1e-12,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            activation=activation,
            layer_norm_epsilon=layer_norm_epsilon,
            dtype=dtype,
            **kwargs,
        )


class BertClassifier(Classifier):
    """BERT with a dense layer on its pooled output; see `Classifier`.

    Args:
        backbone: The encoder.
        num_classes: Number of classes.
        preprocessor: Makes the backbone's inputs from strings; `None` if they are given as such.
        activation: Of the scores; `None` leaves them logits.
        dropout: Share of the pooled output dropped in training.
        labels: Names of the classes; `LABEL_0`, … if `None`.
        **kwargs: Of `keras.Model`.
    """

    family = "bert"
    backbone_class = BertBackbone
    preprocessor_class = BertPreprocessor

    def __init__(
        self,
        backbone: BertBackbone,
        num_classes: int,
        preprocessor: BertPreprocessor | None = None,
        activation: Any = None,
        dropout: float = 0.1,
        labels: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, num_classes, preprocessor, activation, dropout, labels, **kwargs)
