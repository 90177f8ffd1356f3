"""What there is to know about a stored model, whatever the format of its folder."""

import functools
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from models.errors import PresetError
from models.families.record import FAMILIES, Packing, TokenizerKind
from models.hubs.checksums import checksums
from models.presets.embedding import EmbeddingSettings, Prompts
from models.presets.vocabulary_files import parsed_json

# Far above any real description or vocabulary (one of 250,000 tokens takes 20 MB), far below what
# would fill memory.
_MAX_JSON_BYTES = 4 << 20
MAX_VOCABULARY_BYTES = 128 << 20

# Maximum length of a problem in an error; a file can hold a name of megabytes.
_MAX_CHARACTERS = 600

# Weights that are looked at in one go: what is noted of them takes a MiB, however large an array.
_CHECKED_VALUES = 1 << 20

_Parsed = TypeVar("_Parsed")


class StoredWeights(ABC):
    """The weights of a model in a file; created only if all are there with the right shape."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Reads one weight after another, as a name of `named_weights()` and its values.

        Raises:
            PresetError: A value is not finite.
        """


@dataclass(frozen=True)
class MaskedLMSettings:
    """What the head of a masked language model computes besides its weights; Keras Hub's defaults.

    Attributes:
        activation: Of its dense layer, a key of `models.backends.kernels.ACTIVATIONS`.
        layer_norm_epsilon: Added to the variance.
    """

    activation: str = "gelu"
    layer_norm_epsilon: float = 1e-5


class Preset(ABC):
    """A preset folder, whose files are read on demand and checked as they are read.

    Nothing in the files is executed, and no path in them is followed.

    Attributes:
        name: What the user called it.
        folder: Where it is.

    Anything wrong in the files raises `PresetError`, from any property.
    """

    config_file: ClassVar[str] = "config.json"
    """Describes the backbone."""
    head_file: ClassVar[str]
    """Describes the classifier's head."""
    labels_file: ClassVar[str]
    """Names its labels."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    @property
    @abstractmethod
    def family(self) -> str:
        """Family of the backbone, a key of `models.families.record.FAMILIES`."""

    @property
    @abstractmethod
    def backbone_config(self) -> dict[str, Any]:
        """Arguments of the backbone's constructor that the preset gives."""

    @property
    def has_pooler(self) -> bool:
        """Whether the weights of a pooler are stored, which the pooling "pooled" needs."""
        return FAMILIES[self.family].has_pooler

    @property
    @abstractmethod
    def head_config(self) -> dict[str, Any]:
        """Arguments of the classifier's constructor, besides its labels and preprocessor."""

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """Names of the classes; `LABEL_0`, … where the preset does not name them."""

    @property
    @abstractmethod
    def has_classifier(self) -> bool:
        """Whether the preset holds a classifier, not only a backbone."""

    @property
    @abstractmethod
    def is_multi_label(self) -> bool:
        """Whether the classes are not mutually exclusive."""

    @property
    def gives_numbers(self) -> bool:
        """Whether texts get a number for each label, and no label; with one label they do."""
        return len(self.labels) == 1

    @property
    @abstractmethod
    def tokenizer_arguments(self) -> dict[str, Any]:
        """Arguments of the tokenizer's constructor."""

    @property
    @abstractmethod
    def vocabulary_file(self) -> str:
        """The file with the tokens, for messages."""

    @property
    def preprocessor_settings(self) -> dict[str, Any]:
        """Arguments of the preprocessor's constructor besides tokenizer and length."""
        return {}

    @property
    def masking_settings(self) -> dict[str, Any]:
        """Arguments of a preprocessor of masked language models: what is hidden, and how much."""
        return {}

    @property
    @abstractmethod
    def own_length(self) -> int | None:
        """The length it was saved with, in tokens; `None` if none is given."""

    @property
    def embedding(self) -> EmbeddingSettings:
        """How texts become vectors."""
        return EmbeddingSettings()

    @property
    def prompts(self) -> Prompts:
        """What may stand before texts that become vectors."""
        return Prompts()

    def module_weights(self) -> Iterable[tuple[str, np.ndarray]]:
        """Returns the stored weights of the modules of `embedding`, checked, by name."""
        return ()

    @property
    @abstractmethod
    def files(self) -> Sequence[str]:
        """The files that shape its results."""

    @abstractmethod
    def backbone_weights(self, config: Mapping[str, Any]) -> StoredWeights:
        """Returns the stored weights of a backbone, checked.

        Args:
            config: All arguments of its constructor.
        """

    @abstractmethod
    def head_weights(self, config: Mapping[str, Any], hidden_dim: int) -> StoredWeights:
        """Returns the stored weights of the classifier's head, checked.

        Args:
            config: All arguments of the backbone's constructor.
            hidden_dim: Width of the head's first layer.
        """

    @property
    @abstractmethod
    def masked_lm(self) -> MaskedLMSettings:
        """What the head of a masked language model computes, stored or new."""

    @abstractmethod
    def masked_lm_weights(self, config: Mapping[str, Any]) -> StoredWeights | None:
        """Returns the stored head of a masked language model, checked; `None` if there is none.

        Args:
            config: All arguments of the backbone's constructor.
        """

    def error(self, file: str, problem: str) -> PresetError:
        """Returns an error that names the file and what is wrong in it."""
        if len(problem) > _MAX_CHARACTERS:
            problem = f"{problem[:_MAX_CHARACTERS]}…"
        return PresetError(f"preset {self.name!r}: {self.located(file)}: {problem}")

    def finite(self, file: str, name: str, values: np.ndarray) -> np.ndarray:
        """Returns the values of a weight; a model with one that is not finite computes nothing.

        Args:
            file: Which of the preset's files holds it.
            name: Its name there.
            values: Floating-point numbers of any shape.

        Raises:
            PresetError: A value is NaN or infinite.
        """
        flat = values.reshape(-1)
        for start in range(0, len(flat), _CHECKED_VALUES):
            part = flat[start : start + _CHECKED_VALUES]
            is_finite = np.isfinite(part)
            if not is_finite.all():
                raise self.error(
                    file,
                    f"the weight {name!r} holds {part[~is_finite][0]}, not a finite number: its "
                    "training went wrong or the file is damaged; use another copy of the preset",
                )
        return values

    def no_classifier(self) -> PresetError:
        """Returns the error for a preset that has only a backbone."""
        return PresetError(
            f"preset {self.name!r} has no classifier, only a backbone; fine-tune it first: "
            "python -m pipelines.finetune --help"
        )

    def path(self, file: str) -> Path:
        """Returns the path of one of the preset's files; raises `PresetError` if it is missing."""
        if not self.has(file):
            raise self.error(file, "no such file")
        return self.folder / self.located(file)

    def located(self, file: str) -> str:
        """Returns where in the folder one of the preset's files is."""
        return file

    def has(self, file: str) -> bool:
        """Returns whether the preset has a file."""
        # Unlike the path's own method, this is false for a name that no file can have.
        return os.path.isfile(self.folder / self.located(file))

    def read(self, file: str, max_bytes: int = MAX_VOCABULARY_BYTES) -> bytes:
        """Returns the content of a file, unless it is too large."""
        self._check_bytes(file, max_bytes)
        return self.path(file).read_bytes()

    def _check_bytes(self, file: str, max_bytes: int) -> None:
        if self.path(file).stat().st_size > max_bytes:
            raise self.error(file, f"larger than {max_bytes >> 20} MiB")

    def json(self, file: str, max_bytes: int = _MAX_JSON_BYTES) -> Any:
        """Returns the content of a JSON file, unless it is too large."""
        content = self.read(file, max_bytes)
        try:
            return parsed_json(content)
        except ValueError as error:
            raise self.error(file, f"not valid JSON ({error})") from None

    def parsed(self, file: str, parse: Callable[[Path], _Parsed]) -> _Parsed:
        """Returns what a function parses from one of the preset's files; errors name the file."""
        self._check_bytes(file, MAX_VOCABULARY_BYTES)
        try:
            return parse(self.path(file))
        except UnicodeDecodeError as error:
            raise self.error(file, f"not UTF-8 ({error})") from None
        except ValueError as error:
            raise self.error(file, str(error)) from None

    @property
    def tokenizer_kind(self) -> TokenizerKind:
        """What `tokenizer_arguments` are arguments of."""
        return FAMILIES[self.family].tokenizer

    @property
    def packing(self) -> Packing:
        """Where special tokens go."""
        return FAMILIES[self.family].packing

    def check_texts(self, num_texts: int, windows: bool = False) -> None:
        """Raises `PresetError` if rows of these texts cannot be made as its tokenizer says.

        Args:
            num_texts: Texts of a row: 1, or 2 for pairs.
            windows: Whether long texts are split into windows.
        """
        if windows and not self.packing.closes_texts:
            raise PresetError(
                f"preset {self.name!r}: its tokenizer ends no text with a special token, and "
                "windows need that; long texts can only be truncated"
            )
        if num_texts == 2 and not FAMILIES[self.family].takes_segments(self.packing):
            raise PresetError(
                f"preset {self.name!r}: its tokenizer tells two texts apart by segments, which its "
                "model does not have; give single texts, or correct model_input_names in its "
                "tokenizer_config.json"
            )

    @property
    def has_segments(self) -> bool:
        """Whether its rows have segment ids."""
        return FAMILIES[self.family].num_segments > 0

    @property
    def max_sequence_length(self) -> int:
        """Number of positions in the backbone: no sequence may be longer."""
        return self.backbone_config.get("max_sequence_length", 512)

    @property
    def sequence_length(self) -> int:
        """The length it was saved with, in tokens; otherwise the backbone's maximum."""
        return self.max_sequence_length if self.own_length is None else self.own_length

    def resolve_length(self, sequence_length: int | None) -> int:
        """Returns the length to truncate rows to.

        Args:
            sequence_length: The one asked for; the preset's own if `None`.

        Raises:
            PresetError: The backbone does not have positions for that many tokens.
        """
        length = self.sequence_length if sequence_length is None else sequence_length
        if length > self.max_sequence_length:
            raise PresetError(
                f"preset {self.name!r} takes at most {self.max_sequence_length} tokens, not a "
                f"sequence_length of {length}"
            )
        return length

    @cached_property
    def digest(self) -> str:
        """`sha256:` and a hash of the names and contents of all files that shape the results."""
        total = hashlib.sha256()
        for file in sorted(self.files):
            path = self.path(file)
            state = path.stat()
            content = _sha256(path, (state.st_ino, state.st_size, state.st_mtime_ns))
            total.update(f"{file} {content}\n".encode())
        return f"sha256:{total.hexdigest()}"


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, state: tuple[int, ...]) -> str:
    """Returns the hash of a file; an unchanged file is not read again.

    Args:
        path: The file.
        state: What changes when the file is written.
    """
    return checksums(path, ["sha256"])["sha256"]
