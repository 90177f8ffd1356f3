"""Small vocabularies of each kind, trained on some of the texts, so that others have unknown parts.

Each is made once a process, and gives the content of the files that published checkpoints have.
"""

import functools
import io
import json
from collections.abc import Iterable
from typing import Any

import sentencepiece
import transformers
from tokenizers import (
    AddedToken,
    BertWordPieceTokenizer,
    ByteLevelBPETokenizer,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers.utils import sentencepiece_model_pb2_new

from tests.checkpoints.texts import PAIRS, TEXTS
from tests.models.tokenizers import published, spm

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_MARKUP = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_TOKENS = 1200
# Published vocabularies have these whole: in two parts they would be as likely one way as another.
_REPEATED = ".!?-*#$()"

_TRAINED_ON = [*(text for at, text in enumerate(TEXTS) if at % 7 != 5), *map(" ".join, PAIRS)]


def _lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line.strip()]


def vocabulary_lines(tokens: Iterable[str]) -> str:
    """Returns the content of `vocab.txt`."""
    return "".join(f"{token}\n" for token in tokens)


@functools.cache
def wordpiece(lowercase: bool, strip_accents: bool | None = None) -> tuple[str, ...]:
    """Returns the tokens of a WordPiece vocabulary, laid out as Google's: unused ones first."""
    trainer = BertWordPieceTokenizer(lowercase=lowercase, strip_accents=strip_accents)
    trainer.train_from_iterator(_TRAINED_ON, _TOKENS, 1, show_progress=False)
    ids = trainer.get_vocab()
    learned = [token for token in sorted(ids, key=ids.__getitem__) if token not in _SPECIAL]
    unused = [f"[unused{number}]" for number in range(99)]
    return ("[PAD]", *unused, *_SPECIAL[1:], *learned)


@functools.cache
def like_roberta() -> tuple[str, ...]:
    """Returns a cased WordPiece vocabulary with the special tokens in RoBERTa's places."""
    learned = (token for token in wordpiece(False) if token not in _SPECIAL)
    return ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", *learned)


@functools.cache
def characters() -> tuple[str, ...]:
    """Returns a WordPiece vocabulary of single characters, as Chinese ones are."""
    found = sorted({character for text in _TRAINED_ON for character in text.lower()} - {" "})
    found = [character for character in found if character.isprintable()]
    return (*_SPECIAL, *found, *(f"##{character}" for character in found))


@functools.cache
def byte_pairs(is_published: bool) -> tuple[dict[str, int], tuple[str, ...]]:
    """Returns a vocabulary of byte pairs as RoBERTa's, or that one itself, and its merges."""
    if is_published:
        ids, published_merges = published.roberta()
        return ids, tuple(published_merges)
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(
        _TRAINED_ON, _TOKENS, 1, special_tokens=_MARKUP[:4], show_progress=False
    )
    model = json.loads(trainer.to_str())["model"]
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    return {**model["vocab"], "<mask>": len(model["vocab"])}, tuple(merges)


@functools.cache
def sentence_piece_model() -> bytes:
    """Returns a SentencePiece model with XLM-R's rules of normalization."""
    special = [("<unk>", 0.0, spm.UNKNOWN), ("<s>", 0.0, spm.CONTROL), ("</s>", 0.0, spm.CONTROL)]
    found = [(piece, score, spm.NORMAL) for piece, score in pieces()[0]]
    return spm.with_pieces(_trained(), [*special, *found])


@functools.cache
def _trained() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_lines(_TRAINED_ON)),
        model_writer=model,
        vocab_size=_TOKENS,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        max_sentence_length=100_000,
        minloglevel=2,
    )
    return model.getvalue()


@functools.cache
def pieces() -> tuple[tuple[tuple[str, float], ...], bytes]:
    """Returns the pieces of that model with their scores, and its compiled rules."""
    proto = sentencepiece_model_pb2_new.ModelProto()
    proto.ParseFromString(_trained())
    found = {piece.piece: piece.score for piece in proto.pieces[3:]}
    for sign in _REPEATED:
        found[sign * 3] = found.get(sign * 3, -9.5)
    return tuple(found.items()), proto.normalizer_spec.precompiled_charsmap


@functools.cache
def bert_json(tokens: tuple[str, ...], lowercase: bool) -> str:
    """Returns `tokenizer.json` of a WordPiece vocabulary."""
    ids = {token: index for index, token in enumerate(tokens)}
    return _written(transformers.BertTokenizer(vocab=ids, do_lower_case=lowercase))


@functools.cache
def roberta_json(is_published: bool) -> str:
    """Returns `tokenizer.json` of the byte pairs."""
    ids, merges = byte_pairs(is_published)
    pairs = [tuple(merge.split(" ")) for merge in merges]
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return _written(transformers.RobertaTokenizer(vocab=ids, merges=pairs, mask_token=mask))


@functools.cache
def xlm_roberta_json() -> str:
    """Returns `tokenizer.json` of the pieces, with fairseq's special tokens before them."""
    found, rules = pieces()
    vocabulary = [*((token, 0.0) for token in _MARKUP[:4]), *found, ("<mask>", 0.0)]
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return _written(
        transformers.XLMRobertaTokenizer(
            vocab=vocabulary, _spm_precompiled_charsmap=rules, mask_token=mask
        )
    )


@functools.cache
def camembert_json() -> str:
    """Returns `tokenizer.json` of the pieces, with CamemBERT's special tokens before them."""
    found, rules = pieces()
    names = ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>")
    vocabulary = [*((name, 0.0) for name in names), *found, ("<mask>", 0.0)]
    return _written(
        transformers.CamembertTokenizer(vocab=vocabulary, _spm_precompiled_charsmap=rules)
    )


@functools.cache
def herbert_json() -> str:
    """Returns `tokenizer.json` of HerBERT: byte pairs of words that end in `</w>`."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=_TOKENS,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    backend.train_from_iterator(_TRAINED_ON, trainer)
    backend.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    return backend.to_str()


def _written(tokenizer: Any) -> str:
    return tokenizer.backend_tokenizer.to_str()


def size_of(tokenizer_json: str) -> int:
    """Returns how many ids a `tokenizer.json` has, added tokens included."""
    content = json.loads(tokenizer_json)
    added = [token["id"] for token in content["added_tokens"]]
    return max([len(content["model"]["vocab"]) - 1, *added]) + 1
