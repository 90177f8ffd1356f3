"""One small model of each family, here and in Keras Hub, with the same vocabulary."""

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import models

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("good", "bad", "great", "awful", "film", "play", "the", "##ing", ",", ".", "!"),
    *("[", "]"),
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
]
LENGTH = 24
CONFIG = {
    "vocabulary_size": len(VOCABULARY),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
    "max_sequence_length": LENGTH,
}

_CORPUS = ["the good film, the bad play!", "a great film and an awful one.", "playing [x] it"] * 4
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@dataclass(frozen=True)
class Case:
    """A family, and what its tokenizers are made of.

    Attributes:
        family: Its key.
        prefix: What the names of its classes begin with, here and there.
        has_segments: Whether rows have segment ids.
        arguments: Of the tokenizer here.
        their_arguments: Of Keras Hub's tokenizer, beside those.
    """

    family: str
    prefix: str
    has_segments: bool
    arguments: dict[str, Any]
    their_arguments: dict[str, Any]

    def ours(self, part: str) -> Any:
        """Returns a class of this project, such as `Backbone`."""
        return getattr(models, f"{self.prefix}{part}")

    def theirs(self, part: str) -> Any:
        """Returns a class of Keras Hub."""
        import keras_hub

        return getattr(keras_hub.models, f"{self.prefix}{part}")

    @property
    def tokenizer(self) -> Any:
        """A tokenizer of this project."""
        return self.ours("Tokenizer")(**self.arguments)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of a small backbone."""
        return {**CONFIG, "vocabulary_size": self.tokenizer.vocabulary_size()}

    def classifier(self, labels: list[str], **overrides: Any) -> Any:
        """Returns a classifier of this project; `overrides` go to the backbone."""
        backbone = self.ours("Backbone")(**{**self.config, **overrides})
        preprocessor = self.ours("Preprocessor")(self.tokenizer, LENGTH)
        return self.ours("Classifier")(backbone, len(labels), preprocessor, labels=labels)


def _byte_pairs() -> dict[str, Any]:
    from tokenizers import ByteLevelBPETokenizer

    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(_CORPUS, vocab_size=300, min_frequency=2, special_tokens=_SPECIAL)
    model = json.loads(trainer.to_str())["model"]
    return {"vocabulary": model["vocab"], "merges": [" ".join(pair) for pair in model["merges"]]}


def _sentence_pieces() -> dict[str, Any]:
    import sentencepiece

    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_CORPUS),
        model_writer=proto,
        vocab_size=45,
        hard_vocab_limit=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        minloglevel=2,
    )
    return {"proto": proto.getvalue()}


@cache
def case(family: str) -> Case:
    """Returns the case of a family."""
    if family == "roberta":
        return Case(family, "Roberta", False, _byte_pairs(), {})
    if family == "xlm_roberta":
        return Case(family, "XLMRoberta", False, _sentence_pieces(), {})
    arguments = {"vocabulary": VOCABULARY, "lowercase": True}
    theirs = {"strip_accents": True, "special_tokens_in_strings": False}
    prefix = {"bert": "Bert", "distil_bert": "DistilBert"}[family]
    return Case(family, prefix, family == "bert", arguments, theirs)


FAMILIES = ("bert", "roberta", "xlm_roberta", "distil_bert")


def embedder_of(
    backbone: Any, preprocessor: Any, settings: Any, dimensions: Any = None, weights: Any = ()
) -> Any:
    """Returns the embedder of a backbone's family."""
    kind = models.TextEmbedder.member_of(backbone)
    return kind(backbone, preprocessor, settings=settings, dimensions=dimensions, weights=weights)
