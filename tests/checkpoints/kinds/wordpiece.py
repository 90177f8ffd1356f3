"""WordPiece: what settings and `tokenizer.json` say of splitting, and of lengths."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    REMOVED,
    change,
    embedder,
    model,
    put,
    remove,
    saved_again,
    tokenizer,
)

SETTINGS = "tokenizer_config.json"
JSON = "tokenizer.json"

_BERT = (model("bert"), tokenizer("uncased"))
_CASED = (model("bert", tokenizer="cased"), tokenizer("cased"))
_ACCENTS = (model("bert", tokenizer="accents"), tokenizer("accents"))
_GENERIC = put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")


KINDS = [
    Kind(
        "wordpiece_settings_win",
        "`tokenizer.json` is cased and `tokenizer_config.json` is not",
        (),
        (*_BERT, put(JSON, normalizer__lowercase=False)),
    ),
    Kind(
        "wordpiece_settings_do_not_say",
        "`tokenizer.json` is cased and `tokenizer_config.json` does not say",
        (),
        (
            *_CASED,
            put(SETTINGS, do_lower_case=REMOVED, strip_accents=REMOVED),
        ),
    ),
    Kind(
        "wordpiece_no_settings",
        "`tokenizer.json` is cased and there is no `tokenizer_config.json`",
        (),
        (*_CASED, remove(SETTINGS)),
    ),
    Kind(
        "wordpiece_generic_cased",
        "`PreTrainedTokenizerFast`, whose `tokenizer.json` is cased and settings are not",
        (),
        (*_CASED, put(SETTINGS, do_lower_case=True), _GENERIC),
    ),
    Kind(
        "wordpiece_generic",
        "`PreTrainedTokenizerFast` with BERT's `tokenizer.json`",
        (),
        (*_BERT, _GENERIC),
    ),
    Kind(
        "wordpiece_backend",
        "`TokenizersBackend`, as transformers 5 saves it",
        (),
        (*_BERT, put(SETTINGS, tokenizer_class="TokenizersBackend", backend="tokenizers")),
        before="transformers 4 does not know the class",
    ),
    Kind(
        "wordpiece_fast_class",
        "`BertTokenizerFast`",
        (),
        (*_BERT, put(SETTINGS, tokenizer_class="BertTokenizerFast")),
    ),
    Kind(
        "wordpiece_saved_today",
        "files as transformers 5 and sentence-transformers 6 save them",
        (),
        (*_BERT, embedder(), saved_again),
    ),
    Kind(
        "wordpiece_strip_accents",
        "cased, accents stripped",
        (),
        (*_CASED, put(SETTINGS, strip_accents=True)),
    ),
    Kind(
        "wordpiece_keep_accents",
        "uncased, accents kept",
        (),
        (*_ACCENTS, put(SETTINGS, strip_accents=False)),
    ),
    Kind(
        "wordpiece_keep_accents_json",
        "uncased, accents kept: `PreTrainedTokenizerFast`, by `tokenizer.json`",
        (),
        (
            *_ACCENTS,
            put(JSON, normalizer__strip_accents=False),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_chinese_words",
        "`tokenize_chinese_chars` false",
        (),
        (*_BERT, put(SETTINGS, tokenize_chinese_chars=False)),
    ),
    Kind(
        "wordpiece_chinese_words_json",
        "`handle_chinese_chars` false in `tokenizer.json` of a `PreTrainedTokenizerFast`",
        (),
        (*_BERT, put(JSON, normalizer__handle_chinese_chars=False), _GENERIC),
    ),
    Kind(
        "wordpiece_keep_controls",
        "`clean_text` false in `tokenizer.json` of a `PreTrainedTokenizerFast`",
        (),
        (*_BERT, put(JSON, normalizer__clean_text=False), _GENERIC),
    ),
    Kind(
        "wordpiece_normalizers",
        "a sequence of normalizers: NFKC, lowercase, accents",
        (),
        (
            *_BERT,
            put(
                JSON,
                normalizer={
                    "type": "Sequence",
                    "normalizers": [{"type": k} for k in ("NFKC", "Lowercase", "StripAccents")],
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_nmt",
        "a sequence of normalizers: Nmt, NFKC, BERT's",
        (),
        (
            *_BERT,
            change(
                JSON,
                lambda content: {
                    **content,
                    "normalizer": {
                        "type": "Sequence",
                        "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, content["normalizer"]],
                    },
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_whitespace",
        "words at white space and punctuation, as by the pre-tokenizer `Whitespace`",
        (),
        (*_BERT, put(JSON, pre_tokenizer={"type": "Whitespace"}), _GENERIC),
    ),
    Kind(
        "wordpiece_prefix",
        "other continuing prefix than `##`",
        (),
        (*_BERT, put(JSON, model__continuing_subword_prefix="@@"), _GENERIC),
    ),
    Kind(
        "wordpiece_long_words",
        "`max_input_chars_per_word` of 20",
        (),
        (*_BERT, put(JSON, model__max_input_chars_per_word=20), _GENERIC),
    ),
    Kind(
        "wordpiece_truncates_left",
        "`truncation_side` left",
        (),
        (*_BERT, put(SETTINGS, truncation_side="left")),
    ),
    Kind(
        "wordpiece_length_huge",
        "`model_max_length` as huge as tokenizers without a limit write it",
        (),
        (*_BERT, put(SETTINGS, model_max_length=1000000000000000019884624838656)),
    ),
    Kind(
        "wordpiece_length_absent",
        "no `model_max_length`",
        (),
        (*_BERT, put(SETTINGS, model_max_length=REMOVED)),
    ),
    Kind(
        "wordpiece_length_small",
        "`model_max_length` 100",
        (),
        (*_BERT, put(SETTINGS, model_max_length=100)),
    ),
    Kind(
        "wordpiece_max_len",
        "`max_len`, the name of `model_max_length` in the oldest files",
        (),
        (*_BERT, put(SETTINGS, model_max_length=REMOVED, max_len=64)),
    ),
    Kind(
        "wordpiece_truncation_in_json",
        "truncation in `tokenizer.json`, shorter than the settings say",
        ("sentence-transformers/all-MiniLM-L6-v2",),
        (
            *_BERT,
            put(
                JSON,
                truncation={
                    "max_length": 64,
                    "strategy": "LongestFirst",
                    "stride": 0,
                    "direction": "Right",
                },
            ),
        ),
    ),
    Kind(
        "wordpiece_padding_in_json",
        "padding to a fixed length in `tokenizer.json`",
        ("sentence-transformers/all-MiniLM-L6-v2",),
        (
            *_BERT,
            put(
                JSON,
                padding={
                    "strategy": {"Fixed": 128},
                    "direction": "Right",
                    "pad_to_multiple_of": None,
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "[PAD]",
                },
            ),
        ),
    ),
    Kind(
        "wordpiece_padding_multiple",
        "padding to a multiple of 8 in `tokenizer.json`",
        (),
        (
            *_BERT,
            put(
                JSON,
                padding={
                    "strategy": "BatchLongest",
                    "direction": "Right",
                    "pad_to_multiple_of": 8,
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "[PAD]",
                },
            ),
        ),
    ),
]
