"""BERT (https://arxiv.org/abs/1810.04805), with the API of KerasNLP."""

from collections.abc import Sequence
from typing import Any

import keras

from models.backbone import Backbone
from models.classifier import Classifier, check_labels, new_head
from models.encoder import Embeddings, Encoder, kernel_initializer
from models.packing import LAYOUTS
from models.preprocessor import Preprocessor
from models.wordpiece_tokenizer import WordPieceTokenizer


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
        # === Layers ===
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        embeddings = Embeddings(
            vocabulary_size,
            hidden_dim,
            max_sequence_length,
            num_segments,
            dropout,
            layer_norm_epsilon,
            dtype=policy,
            name="embeddings",
        )
        encoder = Encoder(
            num_layers,
            hidden_dim,
            num_heads,
            intermediate_dim,
            activation,
            dropout,
            layer_norm_epsilon,
            dtype=policy,
            name="encoder",
        )
        pooler = keras.layers.Dense(
            hidden_dim,
            activation="tanh",
            kernel_initializer=kernel_initializer(),
            dtype=policy,
            name="pooler",
        )

        # === Functional model ===
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        hidden = embeddings(inputs["token_ids"], inputs["segment_ids"])
        hidden = encoder(hidden, inputs["padding_mask"])
        outputs = {"sequence_output": hidden, "pooled_output": pooler(hidden[:, 0, :])}
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.dtype_policy = policy
        self.embeddings = embeddings
        self.encoder = encoder
        self.pooler = pooler
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }


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
        # === Layers ===
        logits = new_head(num_classes, activation, backbone.dtype_policy)

        # === Functional model ===
        pooled = backbone(backbone.input)["pooled_output"]
        pooled = keras.layers.Dropout(dropout, dtype=backbone.dtype_policy)(pooled)
        super().__init__(inputs=backbone.input, outputs=logits(pooled), **kwargs)

        # === Config ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.logits = logits
        self.num_classes = num_classes
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.labels = check_labels(labels, num_classes)
        self.compile()
