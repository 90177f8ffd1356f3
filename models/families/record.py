"""What there is to know about each model family: one record, from which every table follows.

Nothing here imports TensorFlow, so that a command line and a plan are quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TokenizerKind = Literal["wordpiece", "byte_pair", "sentence_piece", "pipeline"]
"""How texts are split into tokens: as a family does it, or as a checkpoint of Hugging Face says."""


@dataclass(frozen=True)
class Packing:
    """Where special tokens go around one text and around a pair.

    In `single` and `pair`, a string is a special token and a number is the text with that index.

    Attributes:
        single: Layout of one text, such as `("[CLS]", 0, "[SEP]")`, all of it in segment 0.
        pair: Layout of a pair, such as `("[CLS]", 0, "[SEP]", 1, "[SEP]")`.
        pair_segments: The segment of each piece of `pair`.
    """

    single: tuple[str | int, ...]
    pair: tuple[str | int, ...]
    pair_segments: tuple[int, ...]

    def pieces(self, num_texts: int) -> tuple[str | int, ...]:
        """Returns the layout of one text or of two."""
        return self.single if num_texts == 1 else self.pair

    def segments(self, num_texts: int) -> tuple[int, ...]:
        """Returns the segment of each piece."""
        return (0,) * len(self.single) if num_texts == 1 else self.pair_segments

    @property
    def closes_texts(self) -> bool:
        """Whether one special token ends a single text and the first of two."""
        after = self.pair[self.pair.index(0) + 1]
        return isinstance(after, str) and self.single[-1] == after

    @property
    def tokens(self) -> frozenset[str]:
        """The special tokens that stand around texts."""
        return frozenset(piece for piece in (*self.single, *self.pair) if isinstance(piece, str))

    def num_special(self, num_texts: int) -> int:
        """Returns the number of special tokens around one text or two."""
        return sum(isinstance(piece, str) for piece in self.pieces(num_texts))


@dataclass(frozen=True)
class LayerNames:
    """What Hugging Face calls the encoder's layers and their parts.

    Attributes:
        path: Path of the layers, without their numbers.
        query_key_value: Three linear layers, which are one layer here.
        attention_output: A linear layer.
        attention_norm: A normalization.
        intermediate: A linear layer.
        output: A linear layer.
        output_norm: A normalization.
    """

    path: str
    query_key_value: tuple[str, str, str]
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


@dataclass(frozen=True)
class MaskedLMNames:
    """What Hugging Face calls the parts of a masked language model's head.

    Attributes:
        transform: The linear layer.
        norm: The normalization.
        biases: The bias of the scores; versions differ in which of two names they write.
        activation: Of the linear layer; the backbone's if `None`.
    """

    transform: str
    norm: str
    biases: tuple[str, str]
    activation: str | None = None


@dataclass(frozen=True)
class HuggingFaceFormat:
    """How Hugging Face's checkpoints of a family are written.

    Attributes:
        model_types: What `config.json` calls the family; the first is its own name, the others
            are of models that differ in their tokenizer alone.
        prefix: What precedes the names of a backbone's weights in a model with a head.
        arguments: The backbone's argument for each field of `config.json`.
        defaults: The values of missing fields: older files hold only what is unusual.
        activation: The field that names the activation.
        dropouts: Fields for the dropout of a classifier's head; the first that is not null counts.
        layer: Names of the encoder's layers.
        head: The linear layers of a classifier's head; the last one gives the scores.
        other_heads: Prefixes of the names of weights that belong to heads of other tasks.
        masked_lm: The head of a masked language model.
        fixed: Arguments of the backbone that no field provides.
        pads_first: Whether the first positions are reserved for padding.
    """

    model_types: tuple[str, ...]
    prefix: str
    arguments: Mapping[str, str]
    defaults: Mapping[str, Any]
    activation: str
    dropouts: tuple[str, ...]
    layer: LayerNames
    head: tuple[str, ...]
    other_heads: tuple[str, ...]
    masked_lm: MaskedLMNames
    fixed: Mapping[str, Any] = field(default_factory=dict)
    pads_first: bool = False


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes:
        name: What the project calls it.
        prefix: Prefix of its classes' names, here and in Keras Hub.
        tokenizer: How it splits texts into tokens.
        packing: Where special tokens go.
        hugging_face: How Hugging Face's checkpoints of it are written.
        num_segments: Number of segment ids; 0 if tokens have none.
        has_pooler: Whether its backbone ends in a dense layer over the first token.
        activation: Activation of the feed-forward networks in Keras Hub.
        layer_norm_epsilon: Added to the variance in Keras Hub.
        head_activation: Activation of the first layer of a classifier's head; `None` where the
            backbone's pooler takes its place.
        drops_first: Whether there is dropout before that layer too.
        head_dropout: Dropout rate of a classifier's head in Keras Hub.
    """

    name: str
    prefix: str
    tokenizer: TokenizerKind
    packing: Packing
    hugging_face: HuggingFaceFormat
    num_segments: int = 0
    has_pooler: bool = False
    activation: str = "gelu"
    layer_norm_epsilon: float = 1e-12
    head_activation: str | None = None
    drops_first: bool = True
    head_dropout: float = 0.0

    def takes_segments(self, packing: Packing) -> bool:
        """Returns whether the segments of pairs are ones that it has, or leaves unread."""
        positions_have_segments = self.hugging_face.pads_first  # the first one, in every position
        return not (positions_have_segments and any(packing.pair_segments))


_CLS_SEP = Packing(("[CLS]", 0, "[SEP]"), ("[CLS]", 0, "[SEP]", 1, "[SEP]"), (0, 0, 0, 1, 1))
_S = Packing(("<s>", 0, "</s>"), ("<s>", 0, "</s>", "</s>", 1, "</s>"), (0,) * 6)

_ARGUMENTS = {
    "vocab_size": "vocabulary_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "hidden_size": "hidden_dim",
    "intermediate_size": "intermediate_dim",
    "hidden_dropout_prob": "dropout",
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "num_segments",
    "layer_norm_eps": "layer_norm_epsilon",
}
_DEFAULTS = {
    "vocab_size": 30_522,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
_LAYER = LayerNames(
    path="encoder.layer",
    query_key_value=("attention.self.query", "attention.self.key", "attention.self.value"),
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    output_norm="output.LayerNorm",
)
_DROPOUTS = ("classifier_dropout", "hidden_dropout_prob")


def _roberta(vocabulary_size: int, *model_types: str) -> HuggingFaceFormat:
    return HuggingFaceFormat(
        model_types=model_types,
        prefix="roberta",
        arguments=_ARGUMENTS,
        defaults={**_DEFAULTS, "vocab_size": vocabulary_size, "pad_token_id": 1},
        activation="hidden_act",
        dropouts=_DROPOUTS,
        layer=_LAYER,
        head=("classifier.dense", "classifier.out_proj"),
        other_heads=("pooler.", "lm_head.", "qa_outputs."),
        masked_lm=MaskedLMNames(
            transform="lm_head.dense",
            norm="lm_head.layer_norm",
            biases=("lm_head.bias", "lm_head.decoder.bias"),
            activation="gelu",
        ),
        pads_first=True,
    )


_BERT = Family(
    name="bert",
    prefix="Bert",
    tokenizer="wordpiece",
    packing=_CLS_SEP,
    num_segments=2,
    has_pooler=True,
    activation="gelu_approximate",
    head_dropout=0.1,
    hugging_face=HuggingFaceFormat(
        model_types=("bert",),
        prefix="bert",
        arguments=_ARGUMENTS,
        defaults=_DEFAULTS,
        activation="hidden_act",
        dropouts=_DROPOUTS,
        layer=_LAYER,
        head=("classifier",),
        other_heads=("cls.", "qa_outputs."),
        masked_lm=MaskedLMNames(
            transform="cls.predictions.transform.dense",
            norm="cls.predictions.transform.LayerNorm",
            biases=("cls.predictions.bias", "cls.predictions.decoder.bias"),
        ),
    ),
)

_ROBERTA = Family(
    name="roberta",
    prefix="Roberta",
    tokenizer="byte_pair",
    packing=_S,
    layer_norm_epsilon=1e-5,
    head_activation="tanh",
    hugging_face=_roberta(50_265, "roberta", "camembert"),
)

_XLM_ROBERTA = Family(
    name="xlm_roberta",
    prefix="XLMRoberta",
    tokenizer="sentence_piece",
    packing=_S,
    layer_norm_epsilon=1e-5,
    head_activation="tanh",
    hugging_face=_roberta(30_522, "xlm-roberta"),
)

_DISTIL_BERT = Family(
    name="distil_bert",
    prefix="DistilBert",
    tokenizer="wordpiece",
    packing=_CLS_SEP,
    head_activation="relu",
    drops_first=False,
    head_dropout=0.2,
    hugging_face=HuggingFaceFormat(
        model_types=("distilbert",),
        prefix="distilbert",
        arguments={
            "vocab_size": "vocabulary_size",
            "n_layers": "num_layers",
            "n_heads": "num_heads",
            "dim": "hidden_dim",
            "hidden_dim": "intermediate_dim",
            "dropout": "dropout",
            "max_position_embeddings": "max_sequence_length",
        },
        defaults={
            "vocab_size": 30_522,
            "n_layers": 6,
            "n_heads": 12,
            "dim": 768,
            "hidden_dim": 3072,
            "activation": "gelu",
            "dropout": 0.1,
            "max_position_embeddings": 512,
            "seq_classif_dropout": 0.2,
        },
        activation="activation",
        dropouts=("seq_classif_dropout",),
        layer=LayerNames(
            path="transformer.layer",
            query_key_value=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
            attention_output="attention.out_lin",
            attention_norm="sa_layer_norm",
            intermediate="ffn.lin1",
            output="ffn.lin2",
            output_norm="output_layer_norm",
        ),
        head=("pre_classifier", "classifier"),
        other_heads=("vocab_transform.", "vocab_projector.", "vocab_layer_norm.", "qa_outputs."),
        masked_lm=MaskedLMNames(
            transform="vocab_transform",
            norm="vocab_layer_norm",
            biases=("vocab_projector.bias", "vocab_projector.bias"),
        ),
        fixed={"layer_norm_epsilon": 1e-12},
    ),
)

FAMILIES: dict[str, Family] = {
    family.name: family for family in (_BERT, _ROBERTA, _XLM_ROBERTA, _DISTIL_BERT)
}
"""The families by name."""
