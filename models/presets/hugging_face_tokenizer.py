"""The tokenizer's files in a preset folder in the format of Hugging Face.

They are read as transformers 5 reads them (https://github.com/huggingface/transformers). Its class,
named in `tokenizer_config.json`, says what counts of the others: `tokenizer.json`, or else
`vocab.txt`, `vocab.json` and `merges.txt`, or `sentencepiece.bpe.model`.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import tokenizers

from models.errors import PresetError
from models.families.record import Packing, TokenizerKind
from models.presets import pipelines
from models.presets.pipelines import character_map_in, model_type
from models.presets.preset import MAX_VOCABULARY_BYTES, Preset
from models.presets.tokenizer_classes import CLASSES, TokenizerClass
from models.presets.vocabulary_files import read_lines, read_merges, read_vocabulary
from models.tokenizers.unigram import USER_DEFINED, character_map_of, is_scored, pieces_of

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

_VOCABULARIES = {
    "WordPiece": WORDPIECE_VOCABULARY,
    "BPE": BYTE_PAIR_VOCABULARY,
    "Unigram": SENTENCE_PIECE_MODEL,
    None: TOKENIZER,
}
_CLASS_OF = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "camembert": "CamembertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
"""The class by a model's type, where no file names one."""

_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_MASK = "mask_token"


class TokenizerFiles:
    """The tokenizer's files of a preset, read on demand.

    Anything wrong in them raises `PresetError`.

    Args:
        preset: The preset.
        model_type: What its `config.json` calls the model.
        class_name: The tokenizer class that `config.json` names, if it does.
    """

    def __init__(self, preset: Preset, model_type: str, class_name: Any) -> None:
        self._preset = preset
        self._own_class = _CLASS_OF[model_type]
        self._config_class = class_name

    @property
    def vocabulary_file(self) -> str:
        """The file with the tokens, for messages."""
        return TOKENIZER if self._preset.has(TOKENIZER) else _VOCABULARIES[self._class.kind]

    @cached_property
    def max_length(self) -> int | None:
        """The length that texts are truncated to, in tokens; `None` if no file gives one."""
        length = self._settings.get("model_max_length", self._settings.get("max_len"))
        is_size = isinstance(length, int) and not isinstance(length, bool) and length > 0
        return length if is_size else None

    @cached_property
    def _class(self) -> TokenizerClass:
        """What transformers calls the tokenizer's class."""
        named = self._settings.get("tokenizer_class") or self._config_class or self._own_class
        if not isinstance(named, str):
            raise self._preset.error(SETTINGS, f"tokenizer_class must be a name, not {named!r:.60}")
        found = CLASSES.get(named.removesuffix("Fast"))
        if found is None:
            raise self._preset.error(
                SETTINGS,
                f"its tokenizer is a {named}, which is not known here; use a checkpoint whose "
                f"tokenizer_class is one of {', '.join(CLASSES)}",
            )
        if found.kind is None and not self._preset.has(TOKENIZER):
            raise self._preset.error(
                TOKENIZER, f"no such file, and tokenizer_class {named!r} needs it"
            )
        return found

    @cached_property
    def _specials(self) -> dict[str, str | None]:
        """The special tokens by the names of their settings."""
        return {name: _content(token) for name, token in self._named_tokens.items()}

    @cached_property
    def _named_tokens(self) -> dict[str, Any]:
        """What the files say of each special token: its text, or more of it in an object."""
        said = {name: self._settings[name] for name in _NAMES if name in self._settings}
        if "added_tokens_decoder" not in self._settings:
            others = self._object(SPECIAL_TOKENS)
            said |= {name: others[name] for name in _NAMES if name in others}
        named = {**self._class.specials, **said}
        for name, token in named.items():
            if token is not None and not isinstance(_content(token), str):
                raise self._preset.error(SETTINGS, f"{name} must be a token, not {token!r:.60}")
            is_needed = name != _MASK and self._class.specials.get(name) is not None
            if token is None and is_needed:
                raise self._preset.error(SETTINGS, f"{name} is null, and texts need it")
        if named.get("pad_token") is None:
            raise self._preset.error(SETTINGS, "names no pad_token, which fills up short rows")
        return named

    @cached_property
    def packing(self) -> Packing:
        """Where special tokens go."""
        names = self._settings.get("model_input_names")
        gives_segments = (
            self._class.has_segments if not isinstance(names, list) else "token_type_ids" in names
        )
        packing = self._class.packing(self._specials, gives_segments)
        if packing is None:
            packing = pipelines.packing(self._preset, TOKENIZER, self._json, gives_segments)
        return packing

    @cached_property
    def _pipeline(self) -> dict[str, Any]:
        """The tokenizer as transformers makes it, described as `tokenizer.json` describes one."""
        self._check_model_type()
        try:
            tokenizer = self._class.make(self, self._specials)
            for token in self._tokens_to_add(tokenizer):
                tokenizer.add_tokens([token])
            return pipelines.described(tokenizer)
        except PresetError:
            raise
        except BaseException as error:  # a panic of the library's is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            problem = " ".join(str(error).split())
            raise self._preset.error(
                self.vocabulary_file, f"no tokenizer can be made of it ({problem:.200})"
            ) from None

    def _check_model_type(self) -> None:
        stored, kind = model_type(self._json), self._class.kind
        if self._json and kind is not None and stored != kind:
            raise self._preset.error(
                TOKENIZER,
                f"holds a {stored} vocabulary, and the tokenizer class of {SETTINGS} needs a "
                f"{kind} one; where the first is right, write "
                '"tokenizer_class": "PreTrainedTokenizerFast" there',
            )

    def _tokens_to_add(self, tokenizer: tokenizers.Tokenizer) -> list[tokenizers.AddedToken]:
        """Returns the tokens that are cut out of texts before anything else, as they are added."""
        control = {token for token in self._specials.values() if token}
        known = {repr(token) for token in tokenizer.get_added_tokens_decoder().values()}
        listed = [token for _, token in sorted(self._listed_tokens(control).items())]
        added = [token for token in listed if repr(token) not in known]
        contents = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
        contents |= {token.content for token in added}
        for token in [*self._named_tokens.values(), *self._extra_tokens()]:
            content = _content(token)
            if content and content not in contents:
                contents.add(content)
                fields = token if isinstance(token, dict) else {}
                added.append(_added({"special": True, **fields, "content": content}))
        return added

    def _listed_tokens(self, control: set[str]) -> dict[int, tokenizers.AddedToken]:
        """Returns the added tokens that the files list, by the ids that they give."""
        if "added_tokens_decoder" in self._settings:
            listed = self._settings["added_tokens_decoder"]
            if not isinstance(listed, dict) or not all(map(_is_added, listed.values())):
                raise self._preset.error(SETTINGS, "added_tokens_decoder must list tokens by id")
            try:
                return {int(index): _added(token) for index, token in listed.items()}
            except ValueError:
                raise self._preset.error(
                    SETTINGS, "added_tokens_decoder lists an id that is no number"
                ) from None
        others = {*control, *(_content(token) for token in self._extra_tokens())}
        found = {}
        for content, index in self._object(ADDED_TOKENS).items():
            if not isinstance(index, int):
                raise self._preset.error(ADDED_TOKENS, f"{content!r:.60} must have a number as id")
            is_special = content in others
            fields = {"content": content, "special": is_special, "normalized": not is_special}
            found[index] = _added(fields)
        return found | {token["id"]: _added(token) for token in self._json_tokens}

    def _extra_tokens(self) -> list[Any]:
        """Returns the special tokens without a use of their own."""
        settings = dict(self._settings)
        if "added_tokens_decoder" not in settings:
            settings |= self._object(SPECIAL_TOKENS)
        extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
        if isinstance(extra, dict):
            extra = list(extra.values())
        extra = list(self._class.extra) if extra is None else extra
        if not isinstance(extra, list) or not all(isinstance(_content(t), str) for t in extra):
            raise self._preset.error(
                SETTINGS, "additional_special_tokens must be an array of tokens"
            )
        return extra

    @cached_property
    def _json_tokens(self) -> list[dict[str, Any]]:
        """The added tokens in `tokenizer.json`."""
        added = self._json.get("added_tokens") or []
        if not isinstance(added, list) or not all(
            _is_added(token) and type(token.get("id")) is int for token in added
        ):
            raise self._error("added_tokens must be an array of objects with `content` and `id`")
        return added

    def recognized(self, lowers_before: bool) -> tuple[TokenizerKind, dict[str, Any]]:
        """Returns the kind of the tokenizer, and the arguments of its constructor.

        Args:
            lowers_before: Whether texts are lowercased before they are tokenized.
        """
        _ = self.packing
        pipeline = self._pipeline
        if lowers_before:
            pipeline = pipelines.lowered(pipeline)
        return pipelines.recognized(pipeline, self._specials)

    # What a class reads, `models.presets.tokenizer_classes.Vocabulary`.

    def word_pieces(self) -> dict[str, int]:
        """Returns the ids of a WordPiece vocabulary."""
        if self._json:
            return self._ids()
        lines = self._preset.parsed(WORDPIECE_VOCABULARY, read_lines)
        return {line.rstrip(): index for index, line in enumerate(lines)}

    def byte_pairs(self) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """Returns the ids of a byte-pair vocabulary, and its merges."""
        if self._json:
            ids, file, merges = self._ids(), TOKENIZER, self._json["model"].get("merges")
        else:
            ids = self._preset.parsed(BYTE_PAIR_VOCABULARY, read_vocabulary)
            file = BYTE_PAIR_MERGES
            merges = self._preset.parsed(BYTE_PAIR_MERGES, read_merges)
        if not isinstance(merges, list) or not all(isinstance(m, (str, list)) for m in merges):
            raise self._preset.error(file, "model.merges must be an array of pairs of tokens")
        pairs = [tuple(m.split(" ")) if isinstance(m, str) else m for m in merges]
        for index, pair in enumerate(pairs):
            if len(pair) != 2 or not all(isinstance(token, str) and token for token in pair):
                raise self._preset.error(
                    file, f"merge {index}, {merges[index]!r:.40}, must be two tokens"
                )
        return ids, [(first, second) for first, second in pairs]

    def unigrams(self, first: list[tuple[str, float]], skipped: int) -> list[tuple[str, float]]:
        """Returns the pieces of a Unigram vocabulary with their scores.

        Args:
            first: What comes before the pieces of a SentencePiece model.
            skipped: How many of the model's pieces those replace.
        """
        if self._json:
            pieces = self._json["model"].get("vocab")
            if not isinstance(pieces, list) or not all(map(is_scored, pieces)):
                raise self._error("model.vocab must be an array of tokens with their scores")
            return [(token, float(score)) for token, score in pieces]
        pieces = self._spm[skipped:]
        if any(kind == USER_DEFINED for _, _, kind in pieces):
            raise self._preset.error(
                SENTENCE_PIECE_MODEL,
                "has tokens of its user's, which are not supported; save the "
                "tokenizer with transformers, and use the folder with its tokenizer.json",
            )
        mask = str(self._specials[_MASK])
        return [*first, *((text, score) for text, score, _ in pieces), (mask, 0.0)]

    @cached_property
    def _spm(self) -> list[tuple[str, float, int]]:
        model = self._preset.read(SENTENCE_PIECE_MODEL)
        try:
            return pieces_of(model)
        except ValueError as error:
            raise self._preset.error(SENTENCE_PIECE_MODEL, str(error)) from None

    def character_map(self) -> bytes | None:
        """Returns the compiled map by which SentencePiece normalizes characters."""
        if self._json:
            return character_map_in(self._preset, TOKENIZER, self._json)
        return character_map_of(self._preset.read(SENTENCE_PIECE_MODEL)) or None

    def setting(self, name: str, default: bool | None, *others: bool | None) -> bool | None:
        """Returns a setting, checked.

        Args:
            name: Its name in `tokenizer_config.json`.
            default: What it is if it is not there.
            *others: What else it may be.
        """
        value = self._settings.get(name, default)
        if not any(value is known for known in (default, *others)):
            names = {True: "true", False: "false", None: "null"}
            choices = " or ".join(names[known] for known in (default, *others))
            raise self._preset.error(SETTINGS, f"{name} must be {choices}, not {value!r:.60}")
        return value

    def complete(self) -> tokenizers.Tokenizer:
        """Returns the tokenizer that `tokenizer.json` describes."""
        return pipelines.complete(self._preset, TOKENIZER, self._json)

    def _ids(self) -> dict[str, int]:
        ids = self._json["model"].get("vocab")
        if not isinstance(ids, dict) or not all(type(index) is int for index in ids.values()):
            raise self._error("model.vocab must be an object of ids by token")
        return ids

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
        content = self._object(TOKENIZER)
        if content and not isinstance(content.get("model"), dict):
            raise self._error("model must be an object with a vocabulary")
        return content

    def _error(self, problem: str) -> PresetError:
        return self._preset.error(TOKENIZER, problem)


def _content(token: Any) -> Any:
    """Returns the text of a token, which may be an object with more."""
    return token.get("content") if isinstance(token, dict) else token


def _is_added(token: Any) -> bool:
    return isinstance(token, dict) and isinstance(token.get("content"), str)


def _added(fields: Mapping[str, Any]) -> tokenizers.AddedToken:
    """Returns a token as the library has it, from an object that describes it."""
    names = ("lstrip", "rstrip", "single_word", "normalized", "special")
    given = {name: bool(fields[name]) for name in names if name in fields}
    return tokenizers.AddedToken(fields["content"], **given)
