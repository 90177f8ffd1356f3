"""SentencePiece's Unigram: normalizers and `Metaspace` in all their variants."""

from typing import Any

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import change, embedder, limit, model, put, tokenizer

SETTINGS = "tokenizer_config.json"
JSON = "tokenizer.json"

_XLM_ROBERTA = (
    model("xlm-roberta"),
    tokenizer("pieces", JSON, SETTINGS),
)
_GENERIC = put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")
_META = "\u2581"
_SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def _normalizers(*parts: Any) -> Any:
    """Returns an edit that puts normalizers around that of SentencePiece's rules."""

    def edit(content: dict[str, Any]) -> dict[str, Any]:
        rules = content["normalizer"]
        listed = [rules if part == "rules" else part for part in parts]
        normalizer = {"type": "Sequence", "normalizers": listed} if len(listed) > 1 else listed[0]
        return {**content, "normalizer": normalizer}

    return edit


def _metaspace(**fields: Any) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": _META, **fields}


def _without_mask(content: dict[str, Any]) -> dict[str, Any]:
    model = content["model"]
    return {**content, "model": {**model, "vocab": model["vocab"][:-1]}}


KINDS = [
    Kind(
        "pieces_sequence",
        "normalizers in a sequence, runs of spaces replaced, `Metaspace` as today",
        (),
        (
            *_XLM_ROBERTA,
            change(JSON, _normalizers("rules", _SPACES)),
            put(JSON, pre_tokenizer=_metaspace(prepend_scheme="always", split=True)),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_old_metaspace",
        "`Metaspace` with `add_prefix_space`, as before `tokenizers` 0.15",
        ("FacebookAI/xlm-roberta-base",),
        (
            *_XLM_ROBERTA,
            put(
                JSON,
                pre_tokenizer={
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "WhitespaceSplit"},
                        _metaspace(add_prefix_space=True),
                    ],
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_old_metaspace_alone",
        "`Metaspace` with `add_prefix_space` alone",
        (),
        (*_XLM_ROBERTA, put(JSON, pre_tokenizer=_metaspace(add_prefix_space=True)), _GENERIC),
    ),
    Kind(
        "pieces_first_metaspace",
        "`Metaspace` that puts a space before the first word only",
        (),
        (
            *_XLM_ROBERTA,
            put(JSON, pre_tokenizer=_metaspace(prepend_scheme="first", split=True)),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_no_prefix",
        "`Metaspace` that puts no space before a text",
        (),
        (
            *_XLM_ROBERTA,
            put(JSON, pre_tokenizer=_metaspace(prepend_scheme="never", split=True)),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_stripped",
        "white space at the end stripped, runs of spaces replaced by U+2581",
        (),
        (
            *_XLM_ROBERTA,
            change(
                JSON,
                _normalizers(
                    "rules",
                    {"type": "Strip", "strip_left": False, "strip_right": True},
                    {**_SPACES, "content": _META},
                ),
            ),
            put(JSON, pre_tokenizer=_metaspace(prepend_scheme="always", split=True)),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_nfkc",
        "Nmt, NFKC and replaced spaces in place of SentencePiece's rules",
        (),
        (
            *_XLM_ROBERTA,
            put(
                JSON,
                normalizer={
                    "type": "Sequence",
                    "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, _SPACES],
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "pieces_lowercase",
        "SentencePiece's rules, then lowercase",
        (),
        (*_XLM_ROBERTA, change(JSON, _normalizers("rules", {"type": "Lowercase"})), _GENERIC),
    ),
    Kind(
        "pieces_fast_class",
        "`XLMRobertaTokenizerFast`",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, tokenizer_class="XLMRobertaTokenizerFast")),
    ),
    Kind(
        "pieces_no_normalizer",
        "no normalizer",
        (),
        (*_XLM_ROBERTA, put(JSON, normalizer=None), _GENERIC),
    ),
    Kind(
        "pieces_bert_class",
        "XLM-RoBERTa with `BertTokenizer` in its settings, and no `vocab.txt`",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, tokenizer_class="BertTokenizer")),
        refused="tokenizer.json: holds a Unigram vocabulary, and the tokenizer class of "
        "tokenizer_config.json needs a WordPiece one",
    ),
    Kind(
        "pieces_truncates_left",
        "`truncation_side` left",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, truncation_side="left")),
    ),
    Kind(
        "pieces_lowers_before",
        "`do_lower_case` in `sentence_bert_config.json`",
        (),
        (*_XLM_ROBERTA, embedder(), limit(128, lowers=True)),
    ),
    Kind(
        "pieces_mask_added",
        "`<mask>` among the added tokens alone",
        (),
        (*_XLM_ROBERTA, change(JSON, _without_mask)),
    ),
    Kind(
        "pieces_backend",
        "`TokenizersBackend`, as transformers 5 saves it",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, tokenizer_class="TokenizersBackend", backend="tokenizers")),
        before="transformers 4 does not know the class",
    ),
]
