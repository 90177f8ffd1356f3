"""The tokenizer's files in a preset folder in the format of Hugging Face.

`tokenizer.json` holds the vocabulary and says how texts are normalized and split. Without it, the
vocabulary is in `vocab.txt`, or in `vocab.json` and `merges.txt`. `tokenizer_config.json` has
settings that take precedence over it. A `sentencepiece.bpe.model` is complete in itself.
"""

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from typing_extensions import override

from models.errors import PresetError
from models.families.record import TokenizerKind
from models.presets.preset import MAX_VOCABULARY_BYTES, Preset
from models.presets.vocabulary_files import read_lines, read_merges, read_vocabulary
from models.tokenizers.unigram import is_scored, sentence_piece_model

TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
ADDED_TOKENS = "added_tokens.json"
SPECIAL_TOKENS = "special_tokens_map.json"
WORDPIECE_VOCABULARY = "vocab.txt"
BYTE_PAIR_VOCABULARY = "vocab.json"
BYTE_PAIR_MERGES = "merges.txt"
SENTENCE_PIECE_MODEL = "sentencepiece.bpe.model"
ALL_FILES = (
    *(TOKENIZER, SETTINGS, ADDED_TOKENS, SPECIAL_TOKENS),
    *(WORDPIECE_VOCABULARY, BYTE_PAIR_VOCABULARY, BYTE_PAIR_MERGES, SENTENCE_PIECE_MODEL),
)
"""The files that shape token ids."""

# Classes of transformers that do what `tokenizer.json` says; BERT's own put their settings first.
_GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
_META = "\u2581"  # what SentencePiece writes for a space

# The supported values of each field.
_Only = Mapping[str, tuple[Any, ...]]


class TokenizerFiles(ABC):
    """The tokenizer's files of a preset, read on demand.

    Anything wrong in them raises `PresetError`.

    Args:
        preset: The preset.
    """

    specials: ClassVar[Mapping[str, str]]
    """Special tokens by the names of their settings."""
    settings_only: ClassVar[_Only] = {}
    """The supported values of some fields of `tokenizer_config.json`."""
    vocabulary: ClassVar[str]
    """The file with the tokens if `tokenizer.json` does not hold them."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset

    @property
    def vocabulary_file(self) -> str:
        """The file with the tokens, for messages."""
        return TOKENIZER if self._preset.has(TOKENIZER) else self.vocabulary

    @cached_property
    def max_length(self) -> int | None:
        """The length that texts are truncated to, in tokens; `None` if no file gives one."""
        length = self._settings.get("model_max_length")
        is_size = isinstance(length, int) and not isinstance(length, bool) and length > 0
        return length if is_size else None

    @property
    def truncation(self) -> tuple[Any, Any]:
        """What the settings say of the side of truncation, and `tokenizer.json` of truncation."""
        return self._settings.get("truncation_side"), self._json.get("truncation")

    def arguments(self, lowers_before: bool) -> dict[str, Any]:
        """Returns the arguments of the tokenizer's constructor.

        Args:
            lowers_before: Whether texts are lowercased before they are tokenized.
        """
        self._check(SETTINGS, "", self._settings, self.settings_only)
        self._check_specials()
        return self._arguments(lowers_before)

    @abstractmethod
    def _arguments(self, lowers_before: bool) -> dict[str, Any]:
        """Returns the arguments of the tokenizer's constructor."""

    def _object(self, file: str) -> dict[str, Any]:
        """Returns the content of a file; empty if there is no such file."""
        if not self._preset.has(file):
            return {}
        content = self._preset.json(file, MAX_VOCABULARY_BYTES)
        if not isinstance(content, dict):
            raise self._preset.error(file, "must be an object")
        return content

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return self._object(SETTINGS)

    @cached_property
    def _json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`."""
        return self._object(TOKENIZER)

    def _check_specials(self) -> None:
        """Raises `PresetError` for special tokens with other names, and for added tokens."""
        for file, content in ((SETTINGS, self._settings), (SPECIAL_TOKENS, None)):
            for name, token in (content or self._object(file)).items():
                token = token.get("content") if isinstance(token, dict) else token
                if name in self.specials and token not in (None, self.specials[name]):
                    raise self._preset.error(
                        file, f"{name} must be {self.specials[name]!r}, not {token!r:.60}"
                    )
        decoder = self._settings.get("added_tokens_decoder") or {}
        tokens = decoder.values() if isinstance(decoder, dict) else [decoder]
        added = [(SETTINGS, t.get("content") if isinstance(t, dict) else t) for t in tokens]
        added += [(ADDED_TOKENS, token) for token in self._object(ADDED_TOKENS)]
        added += [(TOKENIZER, token) for token in self._added]
        for file, token in added:
            if token not in self.specials.values():
                raise self._preset.error(file, f"the added token {token!r:.60} is not supported")

    @cached_property
    def _added(self) -> dict[str, int]:
        """Ids of the added tokens in `tokenizer.json`."""
        added = self._json.get("added_tokens") or []
        if not isinstance(added, list) or not all(
            isinstance(token, dict)
            and isinstance(token.get("content"), str)
            and isinstance(token.get("id"), int)
            for token in added
        ):
            raise self._error("added_tokens must be an array of objects with `content` and `id`")
        return {token["content"]: token["id"] for token in added}

    def _check(self, file: str, name: str, part: Any, only: _Only) -> None:
        """Raises `PresetError` unless a part of a file has only supported values."""
        if not isinstance(part, dict):
            raise self._preset.error(file, f"{name} is {part!r:.60}, which is not supported")
        for field, values in only.items():
            value = part.get(field, None if field == "type" else values[0])
            # True does not count as 1 here.
            if not any(value == known and type(value) is type(known) for known in values):
                raise self._preset.error(
                    file,
                    f"{name}{'.' if name else ''}{field} {value!r:.60} is not supported; must be "
                    f"{' or '.join(map(repr, values))}",
                )

    def _check_part(self, name: str, only: _Only) -> Any:
        """Returns a part of `tokenizer.json`, checked for supported values."""
        part = self._json.get(name)
        self._check(TOKENIZER, name, part, only)
        return part

    def _ids(self, model: Mapping[str, Any]) -> dict[str, int]:
        """Returns the ids by token in `tokenizer.json`, including those of added tokens."""
        ids = model.get("vocab")
        if not isinstance(ids, dict) or not all(type(index) is int for index in ids.values()):
            raise self._error("model.vocab must be an object of ids by token")
        for token, token_id in self._added.items():
            if ids.get(token, token_id) != token_id:
                raise self._error(f"{token!r} has the ids {ids[token]} and {token_id}")
        return {**ids, **self._added}

    def _error(self, problem: str) -> PresetError:
        return self._preset.error(TOKENIZER, problem)


class WordPieceFiles(TokenizerFiles):
    """The files of BERT and DistilBERT."""

    vocabulary = WORDPIECE_VOCABULARY
    specials: ClassVar[Mapping[str, str]] = {
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "mask_token": "[MASK]",
    }
    settings_only: ClassVar[_Only] = {"tokenize_chinese_chars": (True, None)}

    _normalizer: ClassVar[_Only] = {
        "type": ("BertNormalizer",),
        "clean_text": (True,),
        "handle_chinese_chars": (True,),
        "strip_accents": (None, True, False),
        "lowercase": (True, False),
    }
    _splitter: ClassVar[_Only] = {"type": ("BertPreTokenizer",)}
    _model: ClassVar[_Only] = {
        "type": ("WordPiece",),
        "unk_token": ("[UNK]",),
        "continuing_subword_prefix": ("##",),
        "max_input_chars_per_word": (100,),
    }

    @override
    def _arguments(self, lowers_before: bool) -> dict[str, Any]:
        only = {"do_lower_case": (True, False), "strip_accents": (None, True, False)}
        self._check(SETTINGS, "", self._settings, only)
        normalizer: Mapping[str, Any] = {}
        if self._json:
            normalizer = self._check_part("normalizer", self._normalizer)
            self._check_part("pre_tokenizer", self._splitter)
            vocabulary = self._in_order(self._ids(self._check_part("model", self._model)))
        else:
            vocabulary = self._preset.parsed(WORDPIECE_VOCABULARY, read_lines)
        is_generic = self._settings.get("tokenizer_class") in _GENERIC_CLASSES
        settings = {} if is_generic else self._settings
        lowercase = settings.get("do_lower_case", normalizer.get("lowercase", True))
        strip_accents = settings.get("strip_accents", normalizer.get("strip_accents"))
        if strip_accents is None:
            strip_accents = lowercase
        # Lowercasing beforehand does not strip accents.
        lowercase = lowercase or lowers_before
        arguments = {"vocabulary": vocabulary, "lowercase": lowercase}
        return arguments | ({"strip_accents": strip_accents} if strip_accents != lowercase else {})

    def _in_order(self, ids: Mapping[str, int]) -> list[str]:
        """Returns the tokens in the order of their ids."""
        tokens = sorted(ids, key=ids.__getitem__)
        for index, token in enumerate(tokens):
            if ids[token] != index:
                raise self._error(f"{token!r} has the id {ids[token]}, should have {index}")
        return tokens


class BytePairFiles(TokenizerFiles):
    """The files of RoBERTa."""

    vocabulary = BYTE_PAIR_VOCABULARY
    specials: ClassVar[Mapping[str, str]] = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    settings_only: ClassVar[_Only] = {
        "add_prefix_space": (False, None),
        "do_lower_case": (False, None),
    }

    _splitter: ClassVar[_Only] = {
        "type": ("ByteLevel",),
        "add_prefix_space": (False,),
        "use_regex": (True,),
    }
    _model: ClassVar[_Only] = {
        "type": ("BPE",),
        "dropout": (None,),
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "fuse_unk": (False,),
        "byte_fallback": (False,),
        "ignore_merges": (False,),
    }

    @override
    def _arguments(self, lowers_before: bool) -> dict[str, Any]:
        if lowers_before:
            raise self._preset.error(self.vocabulary_file, "lowercasing is not supported")
        if self._json:
            if self._json.get("normalizer") is not None:
                raise self._error("a normalizer is not supported; must be null")
            self._check_part("pre_tokenizer", self._splitter)
            model = self._check_part("model", self._model)
            return {"vocabulary": self._ids(model), "merges": self._merges(model)}
        return {
            "vocabulary": self._preset.parsed(BYTE_PAIR_VOCABULARY, read_vocabulary),
            "merges": self._preset.parsed(BYTE_PAIR_MERGES, read_merges),
        }

    def _merges(self, model: Mapping[str, Any]) -> list[str]:
        """Returns the merges, which are pairs in today's files and strings in older ones."""
        merges = model.get("merges")
        if isinstance(merges, list):
            merges = [" ".join(map(str, m)) if isinstance(m, list) else m for m in merges]
            if all(isinstance(merge, str) for merge in merges):
                return merges
        raise self._error("model.merges must be an array of pairs of tokens")


class SentencePieceFiles(TokenizerFiles):
    """The files of XLM-RoBERTa."""

    vocabulary = SENTENCE_PIECE_MODEL
    specials = BytePairFiles.specials
    settings_only: ClassVar[_Only] = {
        "add_prefix_space": (True, None),
        "do_lower_case": (False, None),
    }

    # The first tokens and the last.
    _first = ("<s>", "<pad>", "</s>", "<unk>")
    _last = "<mask>"
    _normalizers: ClassVar[dict[str, _Only]] = {
        "Precompiled": {},
        # What SentencePiece does with superfluous white space.
        "Strip": {"strip_left": (False,), "strip_right": (True,)},
        "Replace": {"pattern": ({"Regex": " {2,}"},), "content": (" ", _META)},
    }
    _splitter: ClassVar[_Only] = {
        "type": ("Metaspace",),
        "replacement": (_META,),
        "add_prefix_space": (True,),
        "prepend_scheme": ("always",),
    }
    _model: ClassVar[_Only] = {
        "type": ("Unigram",),
        "unk_id": (_first.index("<unk>"),),
        "byte_fallback": (False,),
    }

    @property
    @override
    def vocabulary_file(self) -> str:
        return self.vocabulary if self._preset.has(self.vocabulary) else super().vocabulary_file

    @override
    def _arguments(self, lowers_before: bool) -> dict[str, Any]:
        if lowers_before:
            raise self._preset.error(self.vocabulary_file, "lowercasing is not supported")
        if self.vocabulary_file == SENTENCE_PIECE_MODEL:
            return {"proto": self._preset.read(SENTENCE_PIECE_MODEL)}
        characters = self._characters()
        splitter = self._json.get("pre_tokenizer")
        for part in _sequence(splitter, "pretokenizers"):
            if part != {"type": "WhitespaceSplit"}:
                self._check(TOKENIZER, "pre_tokenizer", part, self._splitter)
        try:
            return {"proto": sentence_piece_model(self._pieces(), characters)}
        except ValueError as error:
            raise self._error(str(error)) from None

    def _pieces(self) -> list[tuple[str, float]]:
        """Returns the tokens except the special ones, with their scores."""
        pieces = self._check_part("model", self._model).get("vocab")
        if not isinstance(pieces, list) or not all(map(is_scored, pieces)):
            raise self._error("model.vocab must be an array of tokens with their scores")
        names = [name for name, _ in pieces]
        first = len(self._first)
        if tuple(names[:first]) != self._first:
            raise self._error(f"model.vocab must begin with {', '.join(self._first)}")
        end = len(pieces) - (names[-1] == self._last)
        ids = {**{name: index for index, name in enumerate(self._first)}, self._last: end}
        for token, token_id in self._added.items():
            if token_id != ids[token]:
                raise self._error(f"{token!r} has the id {token_id}, should have {ids[token]}")
        return [(name, score) for name, score in pieces[first:end]]

    def _characters(self) -> bytes:
        """Returns the compiled map by which texts are normalized; empty if there is none."""
        characters = b""
        normalizer = self._json.get("normalizer")
        for part in _sequence(normalizer, "normalizers") if normalizer is not None else []:
            self._check(TOKENIZER, "normalizer", part, {"type": tuple(self._normalizers)})
            self._check(TOKENIZER, "normalizer", part, self._normalizers[part["type"]])
            if part["type"] == "Precompiled":
                try:
                    encoded = part.get("precompiled_charsmap") or ""
                    characters = base64.b64decode(encoded, validate=True)
                except (TypeError, binascii.Error, ValueError):
                    raise self._error("precompiled_charsmap must be in base64") from None
        return characters


def _sequence(part: Any, field: str) -> list[Any]:
    """Returns the parts of a part that is a sequence, or else the part itself."""
    if isinstance(part, dict) and part.get("type") == "Sequence":
        parts = part.get(field)
        return parts if isinstance(parts, list) else [parts]
    return [part]


FILES: dict[TokenizerKind, type[TokenizerFiles]] = {
    "wordpiece": WordPieceFiles,
    "byte_pair": BytePairFiles,
    "sentence_piece": SentencePieceFiles,
}
"""The class that reads the files of each kind of tokenizer."""
