"""The files of tokenizers, in the forms in which they are published."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkpoints import vocabularies

LENGTH = 128
"""What texts are truncated to: shorter than models can read, since comparing takes time."""

SENTENCE_PIECE = "sentencepiece.bpe.model"

_WORDPIECE_SETTINGS = {
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "model_max_length": LENGTH,
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "unk_token": "[UNK]",
}
_MARKUP_SETTINGS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
    "model_max_length": LENGTH,
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
}


def _wordpiece(tokens: tuple[str, ...], lowercase: bool) -> dict[str, str]:
    return {
        "tokenizer.json": vocabularies.bert_json(tokens, lowercase),
        "vocab.txt": vocabularies.vocabulary_lines(tokens),
        "tokenizer_config.json": json.dumps(
            {
                **_WORDPIECE_SETTINGS,
                "do_lower_case": lowercase,
                "tokenizer_class": "BertTokenizer",
            }
        ),
    }


def _roberta(is_published: bool) -> dict[str, str]:
    ids, merges = vocabularies.byte_pairs(is_published)
    return {
        "tokenizer.json": vocabularies.roberta_json(is_published),
        "vocab.json": json.dumps(ids, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges),
        "tokenizer_config.json": _settings("Roberta", add_prefix_space=False),
    }


def _settings(tokenizer_class: str, **others: Any) -> str:
    kind = {"tokenizer_class": f"{tokenizer_class}Tokenizer"}
    return json.dumps({**_MARKUP_SETTINGS, **others, **kind})


_TOKENIZERS: dict[str, Callable[[], dict[str, str]]] = {
    "uncased": lambda: _wordpiece(vocabularies.wordpiece(True), True),
    "cased": lambda: _wordpiece(vocabularies.wordpiece(False), False),
    "accents": lambda: _wordpiece(vocabularies.wordpiece(True, False), True),
    "klue": lambda: _wordpiece(vocabularies.like_roberta(), False),
    "characters": lambda: _wordpiece(vocabularies.characters(), True),
    "byte_pairs": lambda: _roberta(False),
    "published_byte_pairs": lambda: _roberta(True),
    "pieces": lambda: {
        "tokenizer.json": vocabularies.xlm_roberta_json(),
        "tokenizer_config.json": _settings("XLMRoberta"),
    },
    "camembert": lambda: {
        "tokenizer.json": vocabularies.camembert_json(),
        "tokenizer_config.json": _settings(
            "Camembert", additional_special_tokens=["<s>NOTUSED", "</s>NOTUSED"]
        ),
    },
    "herbert": lambda: {
        "tokenizer.json": vocabularies.herbert_json(),
        "tokenizer_config.json": _settings("Herbert"),
    },
}
"""The files of each tokenizer, as they are published."""

USUAL = {
    "bert": "uncased",
    "distilbert": "uncased",
    "roberta": "byte_pairs",
    "xlm-roberta": "pieces",
    "camembert": "camembert",
}
"""The tokenizer of each family, by `model_type`."""


def size_of(tokenizer: str) -> int:
    """Returns how many ids a tokenizer has."""
    return vocabularies.size_of(_TOKENIZERS[tokenizer]()["tokenizer.json"])


def write(folder: Path, name: str, files: tuple[str, ...]) -> None:
    """Writes the files of a tokenizer, or some of them."""
    for file, content in _TOKENIZERS[name]().items():
        if not files or file in files:
            (folder / file).write_text(content, "utf-8", newline="")
    if name in ("pieces", "camembert") and (not files or SENTENCE_PIECE in files):
        (folder / SENTENCE_PIECE).write_bytes(vocabularies.sentence_piece_model())
