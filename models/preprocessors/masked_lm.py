"""The base class of preprocessors for masked language models: tokens are hidden, to be guessed.

The names, the order and the defaults of its arguments, and what it returns, are Keras Hub's.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from typing_extensions import override

from models.backends import importing
from models.inputs import labelled
from models.packing import Truncation
from models.preprocessors.masking import Masking, mask
from models.preprocessors.preprocessor import DEFAULT_SEQUENCE_LENGTH, Preprocessor
from models.presets.keras_hub_preset import MASKING
from models.presets.preset import Preset
from models.tokenizers.tokenizer import Tokenizer

_SHARES = [name for name, kind in MASKING.items() if kind is float]


class MaskedLMPreprocessor(Preprocessor):
    """Packs texts as a `Preprocessor` does, and hides tokens behind the mask token.

    Special tokens are never chosen. `keras.utils.set_random_seed` makes the choice repeatable.

    >>> preprocessor = BertMaskedLMPreprocessor.from_preset(
    ...     "sentiment_tiny_en",
    ...     sequence_length=8,
    ...     mask_selection_rate=1.0,
    ...     mask_token_rate=1.0,
    ...     random_token_rate=0.0,
    ... )
    >>> features, labels, weights = preprocessor("A fine day.")
    >>> features["token_ids"].numpy().tolist()
    [2, 4, 4, 4, 4, 3, 0, 0]
    >>> labels.numpy()[:5].tolist()
    [43, 931, 230, 18, 0]

    Args:
        tokenizer: A tokenizer, with the special tokens of `packing` and a mask token.
        sequence_length: Tokens per row, as of a `Preprocessor`.
        truncate: How a pair is truncated, as of a `Preprocessor`.
        mask_selection_rate: The probability that a token is chosen.
        mask_selection_length: The most tokens that are chosen in a row.
        mask_token_rate: Share of the chosen tokens that the mask token takes the place of.
        random_token_rate: Share that any token takes the place of; the others stay.
        **settings: `truncation_side`, `packing` and Keras's arguments, as of a `Preprocessor`.

    Raises:
        ValueError: A rate is none, both together are more than 1, or the tokenizer lacks a token
            that is needed.
    """

    part = "MaskedLMPreprocessor"
    task = "MaskedLM"

    def __init__(
        self,
        tokenizer: Tokenizer,
        sequence_length: int = DEFAULT_SEQUENCE_LENGTH,
        truncate: Truncation = "round_robin",
        mask_selection_rate: float = 0.15,
        mask_selection_length: int = 96,
        mask_token_rate: float = 0.8,
        random_token_rate: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(tokenizer, sequence_length, truncate, **settings)
        self.mask_selection_rate = float(mask_selection_rate)
        self.mask_selection_length = mask_selection_length
        self.mask_token_rate = float(mask_token_rate)
        self.random_token_rate = float(random_token_rate)
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if self.mask_token_rate + self.random_token_rate > 1 + 1e-9:
            raise ValueError("mask_token_rate and random_token_rate must be at most 1 together")
        if mask_selection_length < 1:
            raise ValueError("mask_selection_length must be at least 1")
        if tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no token that hides others")

    @classmethod
    @override
    def _settings_of(cls, preset: Preset) -> dict[str, Any]:
        return preset.masking_settings

    @property
    @override
    def features(self) -> list[str]:
        """Names of the arrays that are a model's inputs."""
        return [*super().features, "mask_positions"]

    def _masking(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in MASKING}

    @override
    def description(self, task: str | None = None) -> dict[str, Any]:
        """Returns the content of `preprocessor.json`; see `Preprocessor.description`."""
        description = super().description(task)
        return {**description, "config": {**description["config"], **self._masking()}}

    @override
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._masking()}

    @override
    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Returns the inputs of a masked language model, and what it is to guess.

        Args:
            x: What `Preprocessor.call` takes.
            y: Ignored.
            sample_weight: float `[batch]`: how much each text counts; all the same if `None`.

        Returns:
            A tuple of: a dict of int32 tensors, those of a `Preprocessor` with tokens hidden, and
            `mask_positions` `[batch, mask_selection_length]`, where they are; the ids that stood
            there, int32, and float32 weights, 0 for what fills up a row, both of the same shape.

        Raises:
            ValueError: There are not as many weights as texts.
        """
        if y is None and sample_weight is None:
            x, _, sample_weight = labelled(x)
        features = self._features(x)
        labels, weights = features.pop("mask_ids"), features.pop("mask_weights")
        if sample_weight is not None:
            weights = weights * _column(sample_weight, weights)
        return features, labels, weights

    @override
    def _columns(self) -> dict[str, tuple[int, str]]:
        chosen = self.mask_selection_length
        return {
            **super()._columns(),
            "mask_positions": (chosen, "int32"),
            "mask_ids": (chosen, "int32"),
            "mask_weights": (chosen, "float32"),
        }

    @override
    def _arrays(self, x: Any) -> dict[str, np.ndarray]:
        features = super()._arrays(x)
        is_single = features["token_ids"].ndim == 1
        masked = self.hide(np.atleast_2d(features["token_ids"]))
        names = ("token_ids", "mask_positions", "mask_ids", "mask_weights")
        hidden: Mapping[str, np.ndarray] = dict(zip(names, masked, strict=True))
        return {**features, **{k: v[0] if is_single else v for k, v in hidden.items()}}

    def hide(self, token_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Hides tokens of packed and padded rows; arguments and results as of `mask`."""
        assert self.tokenizer.mask_token_id is not None
        masking = Masking(
            self.mask_selection_rate,
            self.mask_selection_length,
            self.mask_token_rate,
            self.random_token_rate,
            self.tokenizer.mask_token_id,
            self.tokenizer.vocabulary_size(),
            self.tokenizer.special_token_ids,
        )
        return mask(token_ids, masking)


def _column(sample_weight: Any, weights: Any) -> Any:
    """Returns the weights of texts, `[batch, 1]`, to multiply those of their places by."""
    if importing.is_tracing():
        return importing.tensorflow().cast(sample_weight, weights.dtype)[..., None]
    column = np.asarray(sample_weight, np.float32)[..., None]
    if column.shape[:-1] != tuple(weights.shape[:-1]):
        raise ValueError(
            f"{math.prod(weights.shape[:-1])} texts have weights of the shape {column.shape[:-1]}"
        )
    return column
