"""Byte pairs of RoBERTa: settings and `tokenizer.json`."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import REMOVED, change, embedder, limit, model, put, tokenizer

SETTINGS = "tokenizer_config.json"
JSON = "tokenizer.json"

_FLAGS = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
_ROBERTA = (model("roberta"), tokenizer("byte_pairs"))
_GENERIC = put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")


KINDS = [
    Kind(
        "byte_pairs_prefix_space",
        "`add_prefix_space` true",
        (),
        (*_ROBERTA, put(SETTINGS, add_prefix_space=True)),
    ),
    Kind(
        "byte_pairs_prefix_space_json",
        "`add_prefix_space` true in `tokenizer.json`, and not in the settings",
        (),
        (
            *_ROBERTA,
            put(JSON, pre_tokenizer__add_prefix_space=True),
            put(SETTINGS, add_prefix_space=REMOVED),
        ),
    ),
    Kind(
        "byte_pairs_prefix_space_generic",
        "`PreTrainedTokenizerFast` with `add_prefix_space` true in `tokenizer.json`",
        (),
        (
            *_ROBERTA,
            put(JSON, pre_tokenizer__add_prefix_space=True),
            put(SETTINGS, add_prefix_space=REMOVED),
            _GENERIC,
        ),
        before="no space, unless the settings say so too",
    ),
    Kind(
        "byte_pairs_generic",
        "`PreTrainedTokenizerFast` with RoBERTa's `tokenizer.json`",
        (),
        (*_ROBERTA, _GENERIC),
    ),
    Kind(
        "byte_pairs_backend",
        "`TokenizersBackend` with RoBERTa's `tokenizer.json`",
        (),
        (*_ROBERTA, put(SETTINGS, tokenizer_class="TokenizersBackend")),
        before="transformers 4 does not know the class",
    ),
    Kind(
        "byte_pairs_trim_offsets",
        "`trim_offsets` false, which no id depends on",
        (),
        (
            *_ROBERTA,
            put(JSON, pre_tokenizer__trim_offsets=False, post_processor__trim_offsets=False),
            put(SETTINGS, trim_offsets=False),
        ),
    ),
    Kind(
        "byte_pairs_template",
        "a template in place of `RobertaProcessing`",
        (),
        (
            *_ROBERTA,
            put(
                JSON,
                post_processor={
                    "type": "TemplateProcessing",
                    "single": [
                        {"SpecialToken": {"id": "<s>", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}},
                    ],
                    "pair": [
                        {"SpecialToken": {"id": "<s>", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}},
                        {"Sequence": {"id": "B", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}},
                    ],
                    "special_tokens": {
                        "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                        "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
                    },
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "byte_pairs_bert_processing",
        "RoBERTa's byte pairs and BERT's special tokens around texts",
        (),
        (
            *_ROBERTA,
            put(
                JSON,
                post_processor={"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "byte_pairs_pairs_of_strings",
        "merges as strings in `tokenizer.json`, as before `tokenizers` 0.20",
        ("FacebookAI/roberta-base",),
        (
            *_ROBERTA,
            change(
                JSON,
                lambda content: {
                    **content,
                    "model": {
                        **content["model"],
                        "merges": [" ".join(merge) for merge in content["model"]["merges"]],
                    },
                },
            ),
        ),
    ),
    Kind(
        "byte_pairs_normalizer",
        "a normalizer before the byte pairs: NFC",
        (),
        (*_ROBERTA, put(JSON, normalizer={"type": "NFC"}), _GENERIC),
    ),
    Kind(
        "byte_pairs_lowercase",
        "a normalizer before the byte pairs: lowercase",
        (),
        (*_ROBERTA, put(JSON, normalizer={"type": "Lowercase"}), _GENERIC),
    ),
    Kind(
        "byte_pairs_digits",
        "digits split one by one before the byte pairs",
        (),
        (
            *_ROBERTA,
            change(
                JSON,
                lambda content: {
                    **content,
                    "pre_tokenizer": {
                        "type": "Sequence",
                        "pretokenizers": [
                            {"type": "Digits", "individual_digits": True},
                            content["pre_tokenizer"],
                        ],
                    },
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "byte_pairs_mask_spaces",
        "settings with objects for special tokens, `<mask>` with `lstrip`",
        (),
        (
            *_ROBERTA,
            put(
                SETTINGS,
                mask_token={"__type": "AddedToken", "content": "<mask>", **_FLAGS, "lstrip": True},
                cls_token={"__type": "AddedToken", "content": "<s>", **_FLAGS, "normalized": True},
                errors="replace",
            ),
            put("special_tokens_map.json", bos_token="<s>", eos_token="</s>", mask_token="<mask>"),
        ),
    ),
    Kind(
        "byte_pairs_truncates_left",
        "`truncation_side` left",
        (),
        (*_ROBERTA, put(SETTINGS, truncation_side="left")),
    ),
    Kind(
        "byte_pairs_lowers_before",
        "`do_lower_case` in `sentence_bert_config.json`",
        (),
        (*_ROBERTA, embedder(), limit(128, lowers=True)),
    ),
    Kind(
        "byte_pairs_fast_class",
        "`RobertaTokenizerFast`",
        (),
        (*_ROBERTA, put(SETTINGS, tokenizer_class="RobertaTokenizerFast")),
    ),
    Kind(
        "byte_pairs_published",
        "RoBERTa's published vocabulary of 50,265 tokens",
        ("FacebookAI/roberta-base",),
        (
            model("roberta", tokenizer="published_byte_pairs"),
            tokenizer("published_byte_pairs"),
        ),
    ),
]
