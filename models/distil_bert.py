"""DistilBERT (https://arxiv.org/abs/1910.01108), with the API of KerasNLP."""

from collections.abc import Sequence
from typing import Any

from models.backbone import Backbone
from models.classifier import Classifier
from models.packing import LAYOUTS
from models.preprocessor import Preprocessor
from models.tokenizer import WordPieceTokenizer


class DistilBertTokenizer(WordPieceTokenizer):
    """DistilBERT's tokenizer; see `WordPieceTokenizer`."""

    family = "distil_bert"


class DistilBertPreprocessor(Preprocessor):
    """Packs `[CLS] text [SEP]` or `[CLS] first [SEP] second [SEP]`; see `Preprocessor`."""

    family = "distil_bert"
    layout = LAYOUTS["distil_bert"]
    tokenizer_class = DistilBertTokenizer


class DistilBertBackbone(Backbone):
    """DistilBERT's encoder: BERT's without segments and pooler.

    Takes a dict of `token_ids` and `padding_mask`, each int32 `[batch, length]`. Returns the
    tokens' vectors, `[batch, length, hidden_dim]`.

    Args:
        vocabulary_size: Number of token ids.
        num_layers: Encoder layers.
        num_heads: Attention heads of a layer; divides `hidden_dim`.
        hidden_dim: Width of a token's vector.
        intermediate_dim: Width inside of the feed-forward networks.
        dropout: Share dropped in training.
        max_sequence_length: Positions; no sequence may be longer.
        activation: `gelu` (the exact one, as in the checkpoints), `gelu_approximate` or `relu`.
        layer_norm_epsilon: Added to variances.
        dtype: Compute and weight type, such as `bfloat16`; Keras's default if `None`.
        **kwargs: Of `keras.Model`.
    """

    family = "distil_bert"

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        activation: str = "gelu",
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
            activation=activation,
            layer_norm_epsilon=layer_norm_epsilon,
            dtype=dtype,
            **kwargs,
        )


class DistilBertClassifier(Classifier):
    """DistilBERT with two dense layers on the vector of `[CLS]`; see `Classifier`.

    Args:
        backbone: The encoder.
        num_classes: Number of classes.
        preprocessor: Makes the backbone's inputs from strings; `None` if they are given as such.
        activation: Of the scores; `None` leaves them logits.
        hidden_dim: Width of the first dense layer; the backbone's if `None`.
        dropout: Share dropped in training between the dense layers.
        labels: Names of the classes; `LABEL_0`, … if `None`.
        **kwargs: Of `keras.Model`.
    """

    family = "distil_bert"
    backbone_class = DistilBertBackbone
    preprocessor_class = DistilBertPreprocessor
    pooled_activation = "relu"
    drops_first = False

    def __init__(
        self,
        backbone: DistilBertBackbone,
        num_classes: int,
        preprocessor: DistilBertPreprocessor | None = None,
        activation: Any = None,
        hidden_dim: int | None = None,
        dropout: float = 0.2,
        labels: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            backbone, num_classes, preprocessor, activation, dropout, labels, hidden_dim, **kwargs
        )
