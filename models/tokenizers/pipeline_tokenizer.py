"""Tokenizing as a checkpoint's own files say, with the library `tokenizers`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from typing_extensions import Self, override

from models.errors import PresetError, UserError
from models.packing import Tokens
from models.serialization import register
from models.text_layer import TextLayer
from models.tokenizers.library import library_tokens
from models.tokenizers.library_tokenizers import pipeline as pipeline_of
from models.tokenizers.library_tokenizers import uncontrolled_pipeline
from models.tokenizers.tokenizer import Tokenizer


class PipelineTokenizer(Tokenizer):
    """Tokenizes by a pipeline of the library `tokenizers`: normalizer, splitter, model.

    It is for checkpoints whose tokenizer is not one of the families' own, and belongs to no family.

    Args:
        pipeline: The library's own description of it, JSON.
        control_tokens: The tokens that stand around texts, for padding and the like: a text that
            spells one is tokenized like any other text.
        pad_token: The one that fills up rows.
        unk_token: The one for what the vocabulary cannot spell, if there is one.
        mask_token: The one that hides another in training, if there is one.
        sequence_length: Tokens of every row that `tokenize` returns, as of a `Tokenizer`.
        **layer: `dtype` and Keras's arguments, as of a `Tokenizer`.

    Raises:
        ValueError: The library cannot make a tokenizer of it, or it lacks the padding token.
    """

    kind = "pipeline"

    def __init__(
        self,
        pipeline: str,
        control_tokens: Sequence[str],
        pad_token: str,
        unk_token: str | None = None,
        mask_token: str | None = None,
        sequence_length: int | None = None,
        **layer: Any,
    ) -> None:
        TextLayer.__init__(self, **{"dtype": "int32", **layer})
        self.sequence_length = sequence_length
        description = json.loads(pipeline)
        self._pipeline = pipeline
        self.special_tokens = tuple(control_tokens)
        self.pad_token, self.unk_token, self.mask_token = pad_token, unk_token, mask_token
        original = pipeline_of(description)
        self._ids = original.get_vocab(with_added_tokens=True)
        if pad_token not in self._ids:
            raise ValueError(f"the vocabulary lacks the token for padding, {pad_token!r}")
        self._tokens = sorted(self._ids, key=self._ids.__getitem__)
        self._token_of = {token_id: token for token, token_id in self._ids.items()}
        self.pad_token_id = self._ids[pad_token]
        self.unk_token_id = self._ids.get(str(unk_token))
        self.mask_token_id = self._ids.get(str(mask_token))
        self._decoder = original
        self._library = uncontrolled_pipeline(description, control_tokens)

    @classmethod
    @override
    def from_preset(cls, preset: Any, **overrides: Any) -> Self:
        raise PresetError(
            "the tokenizer of a preset is part of its preprocessor: BertPreprocessor.from_preset, "
            "or that of the preset's family"
        )

    @override
    def vocabulary_size(self) -> int:
        """Returns one more than the highest id that a text can have in it."""
        silent = {self.mask_token, *self.special_tokens} - {self.unk_token, self.pad_token}
        return 1 + max(i for token, i in self._ids.items() if token not in silent)

    @override
    def id_to_token(self, token_id: int) -> str:
        """Returns the token with an id; raises `IndexError` if there is none."""
        if token_id not in self._token_of:
            raise IndexError(f"id {token_id} is not among the {len(self._ids)} ids")
        return self._token_of[token_id]

    @override
    def settings(self) -> Mapping[str, Any]:
        raise self._unstored()

    @override
    def assets(self) -> Mapping[str, bytes]:
        raise self._unstored()

    @override
    def description(self) -> dict[str, Any]:
        raise self._unstored()

    @staticmethod
    def _unstored() -> UserError:
        return UserError("Keras Hub's format has no place for a tokenizer of this kind")

    @override
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "pipeline": self._pipeline,
            "control_tokens": list(self.special_tokens),
            "pad_token": self.pad_token,
            "unk_token": self.unk_token,
            "mask_token": self.mask_token,
        }

    @override
    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.
        """
        if not isinstance(texts, pa.Array):
            texts = pa.array(texts, pa.string())
        return library_tokens(self._library, texts)

    @override
    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that the ids of one text spell."""
        for token_id in token_ids:
            self.id_to_token(token_id)  # raises if there is none
        return self._decoder.decode(list(token_ids), skip_special_tokens=False)


register(PipelineTokenizer)
