"""The tokenizers of presets as the library `tokenizers` has them; makes them without Keras.

They are exact for byte pairs and for a checkpoint's own pipeline. Those of WordPiece and
SentencePiece differ from Google's, which tensorflow-text has, on texts with characters that
`models.tokenizers.library` calls unsettled: in the ids of a few words, and hardly in their number.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers

from models.presets.preset import Preset
from models.tokenizers.library import META, unspelled
from models.tokenizers.unigram import character_map_of, pieces_of

MODEL_SPECIALS = ("<unk>", "<s>", "</s>")
"""The first pieces of a SentencePiece model."""

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")  # in their place, in XLM-R's vocabulary
_UNKNOWN_WORD = "[UNK]"
_UNKNOWN_PART = "<unk>"


def library_of(preset: Preset) -> tokenizers.Tokenizer:
    """Returns the library's tokenizer for a preset, which adds no special tokens.

    Raises:
        PresetError: The preset's files are invalid.
    """
    arguments = preset.tokenizer_arguments
    try:
        if preset.tokenizer_kind == "pipeline":
            description = json.loads(arguments["pipeline"])
            return uncontrolled_pipeline(description, arguments["control_tokens"])
        if preset.tokenizer_kind == "sentence_piece":
            return sentence_piece(arguments["proto"])
        vocabulary = arguments["vocabulary"]
        if preset.tokenizer_kind == "byte_pair":
            pairs = [tuple(merge.split(" ", 1)) for merge in arguments["merges"]]
            return byte_pairs(byte_pair_model(vocabulary, pairs))
        lowercase = arguments.get("lowercase", False)
        strips = arguments.get("strip_accents")
        ids = {token: index for index, token in enumerate(vocabulary)}
        return wordpiece(ids, lowercase, lowercase if strips is None else strips)
    except ValueError as error:
        raise preset.error(preset.vocabulary_file, str(error)) from None
    except Exception as error:  # what the library raises is no class of its own
        problem = f"no tokenizer can be made of it ({error})"
        raise preset.error(preset.vocabulary_file, problem) from None


def wordpiece(
    ids: Mapping[str, int], lowercase: bool, strip_accents: bool, unk_token: str = _UNKNOWN_WORD
) -> tokenizers.Tokenizer:
    """Returns BERT's tokenizer.

    Args:
        ids: Ids by token.
        lowercase: Whether to lowercase texts.
        strip_accents: Whether to strip their accents.
        unk_token: Token for words that the vocabulary cannot spell.
    """
    model = tokenizers.models.WordPiece(dict(ids), unk_token=unk_token)
    library = tokenizers.Tokenizer(model)
    library.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents
    )
    library.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return library


def byte_pair_model(
    ids: Mapping[str, int], pairs: Sequence[tuple[str, str]], unk_token: str = _UNKNOWN_PART
) -> tokenizers.models.BPE:
    """Returns GPT-2's model of bytes.

    Args:
        ids: Ids by token.
        pairs: The merges, the first to merge first.
        unk_token: Token for what the vocabulary lacks.
    """
    return tokenizers.models.BPE(dict(ids), list(pairs), unk_token=unk_token)


def byte_pairs(model: tokenizers.models.BPE) -> tokenizers.Tokenizer:
    """Returns GPT-2's tokenizer around its model."""
    library = tokenizers.Tokenizer(model)
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = tokenizers.decoders.ByteLevel()
    return library


def sentence_piece(proto: bytes) -> tokenizers.Tokenizer:
    """Returns XLM-R's tokenizer.

    Args:
        proto: The serialized SentencePiece model.

    Raises:
        ValueError: It is not such a model.
    """
    model = pieces_of(proto)[len(MODEL_SPECIALS) :]
    first = [(unspelled(token), 0.0) for token in _SPECIALS]
    pieces = [*first, *((text, score) for text, score, _ in model)]
    unknown = _SPECIALS.index(_UNKNOWN_PART)
    library = tokenizers.Tokenizer(
        tokenizers.models.Unigram(pieces, unk_id=unknown, byte_fallback=False)
    )
    if characters := character_map_of(proto):
        library.normalizer = tokenizers.normalizers.Precompiled(characters)
    words = tokenizers.pre_tokenizers.Metaspace(replacement=META, prepend_scheme="always")
    library.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), words]
    )
    return library


def pipeline(description: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """Returns the tokenizer that the library's own JSON describes.

    Args:
        description: What the JSON holds.

    Raises:
        ValueError: It cannot be made.
    """
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(description))
    except BaseException as error:  # a panic of the library's is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise ValueError(f"no tokenizer can be made of it ({str(error)[:200]})") from None


def uncontrolled_pipeline(
    description: Mapping[str, Any], control: Sequence[str]
) -> tokenizers.Tokenizer:
    """Returns the tokenizer of a description by which no text becomes a control token.

    Args:
        description: What the JSON holds.
        control: The control tokens.

    Raises:
        ValueError: It cannot be made.
    """
    library = pipeline(_without_control(description, set(control)))
    library.encode_special_tokens = True
    return library


def _without_control(description: Mapping[str, Any], control: set[str]) -> dict[str, Any]:
    model = dict(description["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        known = set(vocabulary)
        model["vocab"] = {unspelled(t) if t in control else t: i for t, i in vocabulary.items()}
    else:
        known = {token for token, _ in vocabulary}
        model["vocab"] = [[unspelled(t) if t in control else t, score] for t, score in vocabulary]
    if model.get("unk_token") in control:
        model["unk_token"] = unspelled(model["unk_token"])
    # The other added tokens are numbered anew, after the model's own: so these keep their places.
    added = [
        {**token, "special": token["content"] in control}
        for token in description["added_tokens"]
        if token["content"] not in control & known
    ]
    others = dict.fromkeys(("truncation", "padding", "post_processor", "decoder"))
    return {**description, **others, "model": model, "added_tokens": added}
