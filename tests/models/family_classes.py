"""The models of RoBERTa and XLM-RoBERTa, without tokenizers."""

from typing import Any

from models.backbone import Backbone
from models.classifier import Classifier


class _Backbone(Backbone):
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
        layer_norm_epsilon: float = 1e-5,
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


class RobertaBackbone(_Backbone):
    family = "roberta"


class XLMRobertaBackbone(_Backbone):
    family = "xlm_roberta"


class RobertaClassifier(Classifier):
    family = "roberta"
    backbone_class = RobertaBackbone
    pooled_activation = "tanh"


class XLMRobertaClassifier(Classifier):
    family = "xlm_roberta"
    backbone_class = XLMRobertaBackbone
    pooled_activation = "tanh"
