"""Pipelines of the library `tokenizers`: checking them, and recognizing those of the families.

A pipeline is described in JSON as `tokenizer.json` does it: a normalizer, a splitter
(`pre_tokenizer`), a model with the vocabulary, and what stands around texts (`post_processor`).
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from models.families.record import Packing, TokenizerKind
from models.presets.preset import Preset
from models.tokenizers.character_map import check_character_map
from models.tokenizers.library import MAX_CHARACTERS_PER_WORD, MAX_TOKEN_BYTES, META
from models.tokenizers.unigram import sentence_piece_model

_BRACKETS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
_ANGLES = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"

# Regular expressions that end, whatever the text.
_EXPRESSIONS = (" {2,}", " +", "\\s+", "\\s", "\\n", "``|''", "[0-9]", "\\d")
_PARTS = {
    "normalizer": frozenset(
        [
            "Sequence",
            "BertNormalizer",
            "Lowercase",
            "NFC",
            "NFD",
            "NFKC",
            "NFKD",
            "Nmt",
            "Precompiled",
            "Prepend",
            "Replace",
            "Strip",
            "StripAccents",
        ]
    ),
    "pre_tokenizer": frozenset(
        [
            "Sequence",
            "BertPreTokenizer",
            "ByteLevel",
            "CharDelimiterSplit",
            "Digits",
            "Metaspace",
            "Punctuation",
            "Split",
            "UnicodeScripts",
            "Whitespace",
            "WhitespaceSplit",
        ]
    ),
    "model": frozenset(["BPE", "Unigram", "WordLevel", "WordPiece"]),
}


def model_type(description: Mapping[str, Any]) -> str | None:
    """Returns the type of a pipeline's model; older files leave it to its fields."""
    model = description.get("model") or {}
    if "type" in model:
        return model["type"] if isinstance(model["type"], str) else None
    if "merges" in model:
        return "BPE"
    return "Unigram" if isinstance(model.get("vocab"), list) else "WordPiece"


def _parts(description: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Yields a normalizer or splitter, or what a sequence of them holds."""
    part = description.get(name)
    if part is None:
        return
    yield part
    if isinstance(part, dict) and part.get("type") == "Sequence":
        inner = part.get("normalizers", part.get("pretokenizers"))
        for each in inner if isinstance(inner, list) else [inner]:
            yield from _parts({name: each}, name)


def complete(preset: Preset, file: str, description: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """Returns the tokenizer that a file describes, checked.

    Args:
        preset: The preset.
        file: The file.
        description: What it holds.

    Raises:
        PresetError: A part of it is not known.
    """
    for name, known in _PARTS.items():
        for part in _parts(description, name):
            kind = part.get("type") if isinstance(part, dict) else None
            if name == "model":
                kind = model_type(description)
            if kind not in known:
                raise preset.error(
                    file,
                    f"its {name} has the part {part if kind is None else kind!r:.60}, which is not "
                    f"one of {', '.join(sorted(known))}",
                )
            pattern = part.get("pattern")
            expression = pattern.get("Regex") if isinstance(pattern, dict) else None
            if expression is not None and expression not in _EXPRESSIONS:
                raise preset.error(
                    file,
                    f"its {name} has the regular expression {expression!r:.60}, which could take "
                    "for ever on some text; a preset's own are not run",
                )
    if description["model"].get("dropout"):
        raise preset.error(file, "model.dropout makes tokens random; set it to null")
    character_map_in(preset, file, description)
    others = dict.fromkeys(("truncation", "padding"))
    return tokenizers.Tokenizer.from_str(json.dumps({**description, **others}))


def character_map_in(preset: Preset, file: str, description: Mapping[str, Any]) -> bytes | None:
    """Returns the first compiled map of characters among the normalizers, checked.

    Raises:
        PresetError: It is damaged.
    """
    for part in _parts(description, "normalizer"):
        if isinstance(part, dict) and part.get("type") == "Precompiled":
            try:
                encoded = part.get("precompiled_charsmap") or ""
                characters = base64.b64decode(encoded, validate=True)
                if characters:
                    check_character_map(characters)
            except (TypeError, binascii.Error):
                raise preset.error(file, "precompiled_charsmap must be in base64") from None
            except ValueError as error:
                raise preset.error(file, str(error)) from None
            return characters or None
    return None


def described(tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    """Returns the description of a tokenizer."""
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    return description


def check_unknown(description: Mapping[str, Any]) -> None:
    """Raises `ValueError` if a text with something unknown would have no tokens."""
    model = description["model"]
    if model["type"] == "Unigram":
        if model.get("unk_id") is None:
            raise ValueError("model.unk_id is null, and unknown characters need it")
        return
    token, vocabulary = model.get("unk_token"), model["vocab"]
    if model["type"] == "BPE":
        splits = _parts(description, "pre_tokenizer")
        is_of_bytes = any(part["type"] == "ByteLevel" for part in splits)
        if token is None or (is_of_bytes and {*ByteLevel.alphabet()} <= vocabulary.keys()):
            return
    if token not in vocabulary:
        raise ValueError(f"the vocabulary lacks {token!r:.60}, which stands for what is unknown")


def lowered(description: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a pipeline that first lowercases texts."""
    normalizer = description.get("normalizer")
    first = {"type": "Lowercase"}
    inner: list[Any] = [] if normalizer is None else [normalizer]
    if normalizer is not None and normalizer["type"] == "Sequence":
        inner = normalizer["normalizers"]
    if first in inner:
        return dict(description)
    return {**description, "normalizer": {"type": "Sequence", "normalizers": [first, *inner]}}


def packing(
    preset: Preset, file: str, description: Mapping[str, Any], gives_segments: bool
) -> Packing:
    """Returns where a pipeline puts special tokens.

    Args:
        preset: The preset.
        file: The file with the description.
        description: The pipeline.
        gives_segments: Whether the tokenizer gives segments; otherwise all are 0.

    Raises:
        PresetError: It puts them in a way that is not known.
    """
    try:
        single, pair = _templates(description.get("post_processor"))
        texts = [[p for p, _ in pieces if isinstance(p, int)] for pieces in (single, pair)]
        if texts != [[0], [0, 1]] or any(segment for _, segment in single):
            raise ValueError("does not have each text once, in order")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise preset.error(
            file, f"what stands around texts (post_processor) is not understood: {error}"
        ) from None
    segments = tuple(segment if gives_segments else 0 for _, segment in pair)
    return Packing(tuple(p for p, _ in single), tuple(p for p, _ in pair), segments)


_Pieces = list[tuple[str | int, int]]


def _templates(processor: Any) -> tuple[_Pieces, _Pieces]:
    """Returns the pieces around one text and around a pair, with their segments."""
    if processor is None or processor["type"] == "ByteLevel":
        return [(0, 0)], [(0, 0), (1, 1)]
    kind = processor["type"]
    if kind == "Sequence":
        all_kinds = processor["processors"]
        others = [part for part in all_kinds if part["type"] != "ByteLevel"]
        if len(others) > 1:
            raise ValueError(f"{len(others)} steps add tokens")
        return _templates(others[0] if others else None)
    if kind == "TemplateProcessing":
        ids = processor["special_tokens"]
        return _template(processor["single"], ids), _template(processor["pair"], ids)
    if kind not in ("BertProcessing", "RobertaProcessing"):
        raise ValueError(f"the type {kind!r:.60} is not known")
    opening, closing = str(processor["cls"][0]), str(processor["sep"][0])
    single: _Pieces = [(opening, 0), (0, 0), (closing, 0)]
    if kind == "RobertaProcessing":
        return single, [*single, (closing, 0), (1, 0), (closing, 0)]
    return single, [*single, (1, 1), (closing, 1)]


def _template(pieces: Any, ids: Any) -> _Pieces:
    found: _Pieces = []
    for piece in pieces:
        if "Sequence" in piece:
            text = piece["Sequence"]
            found.append(({"A": 0, "B": 1}[text["id"]], int(text["type_id"])))
        else:
            special = piece["SpecialToken"]
            tokens = ids[special["id"]]["tokens"]
            found += [(str(token), int(special["type_id"])) for token in tokens]
    return found


def recognized(
    description: Mapping[str, Any], specials: Mapping[str, str | None]
) -> tuple[TokenizerKind, dict[str, Any]]:
    """Returns the kind of tokenizer that does what a pipeline does, and its arguments.

    Args:
        description: The pipeline.
        specials: The special tokens by the names of their settings.
    """
    known: dict[TokenizerKind, dict[str, Any] | None] = {
        "wordpiece": _wordpiece(description),
        "byte_pair": _byte_pair(description),
        "sentence_piece": _sentence_piece(description),
    }
    for kind, arguments in known.items():
        if arguments is not None:
            return kind, arguments
    return "pipeline", {
        "pipeline": json.dumps(description),
        "control_tokens": sorted({token for token in specials.values() if token}),
        "pad_token": specials["pad_token"],
        "unk_token": specials.get("unk_token"),
        "mask_token": specials.get("mask_token"),
    }


def _added(description: Mapping[str, Any]) -> dict[str, int]:
    """Returns the ids of the added tokens."""
    return {token["content"]: token["id"] for token in description["added_tokens"]}


def _in_order(ids: Mapping[str, int]) -> list[str] | None:
    """Returns the tokens in the order of their ids; `None` unless these are 0, 1, 2 and so on."""
    tokens = sorted(ids, key=ids.__getitem__)
    is_whole = all(ids[token] == index for index, token in enumerate(tokens))
    return tokens if is_whole else None


def _wordpiece(description: Mapping[str, Any]) -> dict[str, Any] | None:
    model = description["model"]
    expected = {
        "type": "WordPiece",
        "unk_token": _BRACKETS[0],
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": MAX_CHARACTERS_PER_WORD,
    }
    if {name: model.get(name) for name in expected} != expected:
        return None
    normalizer, lowers = description["normalizer"], False
    if normalizer and normalizer["type"] == "Sequence":
        steps = normalizer["normalizers"]
        lowers = steps[:1] == [{"type": "Lowercase"}]
        normalizer = steps[-1] if len(steps) == 1 + lowers else None
    if not normalizer or normalizer["type"] != "BertNormalizer":
        return None
    if not (normalizer["clean_text"] and normalizer["handle_chinese_chars"]):
        return None
    tokens = _in_order(model["vocab"])
    if (
        description["pre_tokenizer"] != {"type": "BertPreTokenizer"}
        or tokens is None
        or not {*_BRACKETS} <= model["vocab"].keys()
        or not _added(description).keys() <= {*_BRACKETS}
        or any(len(token.encode()) > MAX_TOKEN_BYTES or "\0" in token for token in tokens)
    ):
        return None
    lowercase, strips = normalizer["lowercase"], normalizer["strip_accents"]
    strips = lowercase if strips is None else strips
    lowercase = lowercase or lowers
    arguments = {"vocabulary": tokens, "lowercase": lowercase, "as_transformers": True}
    return arguments | ({"strip_accents": strips} if strips != lowercase else {})


def _byte_pair(description: Mapping[str, Any]) -> dict[str, Any] | None:
    model, splitter = description["model"], description["pre_tokenizer"] or {}
    marks = ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "fuse_unk")
    if model["type"] != "BPE" or any(map(model.get, (*marks, "byte_fallback", "ignore_merges"))):
        return None
    known = model["vocab"].keys()
    if (
        description["normalizer"] is not None
        or splitter.get("type") != "ByteLevel"
        or splitter["add_prefix_space"]
        or not splitter["use_regex"]
        or _in_order(model["vocab"]) is None
        or not {*_ANGLES, _MASK, *ByteLevel.alphabet()} <= known
        or not _added(description).keys() <= {*_ANGLES, _MASK}
    ):
        return None
    return {"vocabulary": model["vocab"], "merges": [" ".join(pair) for pair in model["merges"]]}


def _sentence_piece(description: Mapping[str, Any]) -> dict[str, Any] | None:
    model, normalizer = description["model"], description["normalizer"]
    if model["type"] != "Unigram" or model.get("byte_fallback"):
        return None
    words = {"type": "Metaspace", "replacement": META, "prepend_scheme": "always", "split": True}
    splitter = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, words]}
    pieces = model["vocab"]
    names = [name for name, _ in pieces]
    first = len(_ANGLES)
    end = len(pieces) - (names[-1] == _MASK)
    ids = {**{name: index for index, name in enumerate(_ANGLES)}, _MASK: end}
    if (
        description["pre_tokenizer"] != splitter
        or (normalizer is not None and normalizer["type"] != "Precompiled")
        or model.get("unk_id") != _ANGLES.index("<unk>")
        or tuple(names[:first]) != _ANGLES
        or not _added(description).items() <= ids.items()
        or len({*names}) != len(names)
    ):
        return None
    characters = base64.b64decode(normalizer["precompiled_charsmap"]) if normalizer else b""
    middle = [(name, score) for name, score in pieces[first:end]]
    return {"proto": sentence_piece_model(middle, characters), "as_transformers": True}
