"""What each tokenizer class of transformers makes of a checkpoint's files.

A class with rules of its own takes no more than the vocabulary from `tokenizer.json`, and the rest
from `tokenizer_config.json` and its defaults; only the general classes do what `tokenizer.json`
says. So it is in transformers 5 (https://github.com/huggingface/transformers), which is followed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from models.families.record import Packing
from models.tokenizers.library import META


class Vocabulary(Protocol):
    """What a class reads of a checkpoint; anything wrong there raises `PresetError`."""

    def word_pieces(self) -> dict[str, int]:
        """Returns the ids of a WordPiece vocabulary."""

    def byte_pairs(self) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """Returns the ids of a byte-pair vocabulary, and its merges."""

    def unigrams(self, first: list[tuple[str, float]], skipped: int) -> list[tuple[str, float]]:
        """Returns the pieces of a Unigram vocabulary with their scores.

        Args:
            first: What comes before the pieces of a SentencePiece model.
            skipped: How many of the model's pieces those replace.
        """

    def character_map(self) -> bytes | None:
        """Returns the compiled map by which SentencePiece normalizes characters."""

    def setting(self, name: str, default: bool | None, *others: bool | None) -> bool | None:
        """Returns a setting, checked.

        Args:
            name: Its name in `tokenizer_config.json`.
            default: What it is if it is not there.
            *others: What else it may be.
        """

    def complete(self) -> Tokenizer:
        """Returns the tokenizer that `tokenizer.json` describes."""


@dataclass(frozen=True)
class TokenizerClass:
    """A tokenizer class of transformers.

    Attributes:
        make: Makes its tokenizer, without special tokens, from what a checkpoint holds and from
            these tokens by the names of their settings.
        specials: Those tokens as they are if nothing else is said; `None` for none.
        opening: The token before a text, by the name of its setting; `None` where
            `tokenizer.json` says what stands around texts.
        closing: The token after a text, in the same way.
        doubles: Whether the token between two texts is there twice.
        second: The segment of a second text.
        has_segments: Whether it gives segments if nothing else is said.
        kind: The kind of its model, as `tokenizer.json` calls it; any if `None`.
        extra: Special tokens without a use of their own, if nothing else is said.
    """

    make: Callable[[Vocabulary, Mapping[str, str | None]], Tokenizer]
    specials: Mapping[str, str | None]
    opening: str | None = None
    closing: str | None = None
    doubles: bool = False
    second: int = 0
    has_segments: bool = False
    kind: str | None = None
    extra: tuple[str, ...] = ()

    def packing(self, specials: Mapping[str, str | None], gives_segments: bool) -> Packing | None:
        """Returns where special tokens go; `None` where `tokenizer.json` says it."""
        if self.opening is None or self.closing is None:
            return None
        opening, closing = str(specials[self.opening]), str(specials[self.closing])
        between = (closing, closing) if self.doubles else (closing,)
        second = self.second if gives_segments else 0
        return Packing(
            (opening, 0, closing),
            (opening, 0, *between, 1, closing),
            (0, 0, *(0 for _ in between), second, second),
        )


_BRACKETS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_ANGLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_UNUSED = ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")


def _bert(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    model = models.WordPiece(files.word_pieces(), unk_token=str(specials["unk_token"]))
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(files.setting("tokenize_chinese_chars", True, False)),
        strip_accents=files.setting("strip_accents", None, True, False),
        lowercase=bool(files.setting("do_lower_case", True, False)),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _roberta(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    ids, merges = files.byte_pairs()
    tokenizer = Tokenizer(models.BPE(ids, merges))
    prefixes = bool(files.setting("add_prefix_space", False, True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefixes)
    return tokenizer


def _herbert(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    ids, merges = files.byte_pairs()
    unknown = str(specials["unk_token"])
    # The class puts these ids around texts, whatever the vocabulary says.
    if (ids.get(str(specials["cls_token"])), ids.get(str(specials["sep_token"]))) != (0, 2):
        raise ValueError("a HerbertTokenizer needs a vocabulary in which <s> is 0 and </s> is 2")
    model = models.BPE(ids, merges, unk_token=unknown, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _unigram(files: Vocabulary, pieces: list[tuple[str, float]], unknown: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    if characters := files.character_map():
        tokenizer.normalizer = normalizers.Precompiled(characters)
    scheme = "always" if files.setting("add_prefix_space", True, False) else "never"
    words = pre_tokenizers.Metaspace(replacement=META, prepend_scheme=scheme)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    return tokenizer


def _xlm_roberta(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    names = ("bos_token", "pad_token", "eos_token", "unk_token")
    first = [(str(specials[name]), 0.0) for name in names]
    return _unigram(files, files.unigrams(first, 3), names.index("unk_token"))


def _camembert(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    unknown = str(specials["unk_token"])
    unused_start, unused_end, unused_unknown = _UNUSED
    first = [
        (unused_start, 0.0),
        (str(specials["pad_token"]), 0.0),
        (unused_end, 0.0),
        (unknown, 0.0),
        (unused_unknown, -100.0),
    ]
    pieces = files.unigrams(first, 1)
    names = [name for name, _ in pieces]
    return _unigram(files, pieces, names.index(unknown) if unknown in names else 0)


def _general(files: Vocabulary, specials: Mapping[str, str | None]) -> Tokenizer:
    return files.complete()


_BERT = TokenizerClass(_bert, _BRACKETS, "cls_token", "sep_token", False, 1, True, "WordPiece")
_DISTIL_BERT = TokenizerClass(
    *(_bert, _BRACKETS, "cls_token", "sep_token"), second=1, kind="WordPiece"
)
_ROBERTA = TokenizerClass(_roberta, _ANGLES, "cls_token", "sep_token", True, kind="BPE")
_HERBERT = TokenizerClass(
    *(_herbert, {name: _ANGLES[name] for name in _BRACKETS}, "cls_token", "sep_token"),
    second=1,
    kind="BPE",
)
_XLM_ROBERTA = TokenizerClass(_xlm_roberta, _ANGLES, "bos_token", "eos_token", True, kind="Unigram")
_CAMEMBERT = TokenizerClass(
    *(_camembert, _ANGLES, "bos_token", "eos_token", True), kind="Unigram", extra=_UNUSED
)
_GENERAL = TokenizerClass(_general, dict.fromkeys(_ANGLES))

CLASSES: dict[str, TokenizerClass] = {
    "BertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "LayoutLMTokenizer": _BERT,
    "LxmertTokenizer": _BERT,
    "MobileBertTokenizer": _BERT,
    "SqueezeBertTokenizer": _BERT,
    "DistilBertTokenizer": _DISTIL_BERT,
    "RobertaTokenizer": _ROBERTA,
    "BartTokenizer": _ROBERTA,
    "LongformerTokenizer": _ROBERTA,
    "HerbertTokenizer": _HERBERT,
    "XLMRobertaTokenizer": _XLM_ROBERTA,
    "CamembertTokenizer": _CAMEMBERT,
    "PreTrainedTokenizer": _GENERAL,
    "TokenizersBackend": _GENERAL,
}
"""The classes by their names, without the `Fast` at the end of some."""
