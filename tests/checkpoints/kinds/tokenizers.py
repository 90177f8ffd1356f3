"""What the files of tokenizers say, and how they are saved."""

from typing import Any

from tests.checkpoints.building import (
    REMOVED,
    change,
    embedder,
    limit,
    model,
    put,
    remove,
    saved_again,
    text,
    tokenizer,
)
from tests.checkpoints.kind import Kind
from tests.checkpoints.texts import OF_SENTENCE_PIECE

SETTINGS = "tokenizer_config.json"
JSON = "tokenizer.json"

_BERT = (model("bert"), tokenizer("uncased"))
_ROBERTA = (model("roberta"), tokenizer("byte_pairs"))
_XLM_ROBERTA = (model("xlm-roberta"), tokenizer("pieces", JSON, SETTINGS))
_GENERIC = put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")
_DECODED = {
    "0": {"content": "[PAD]", "special": True},
    "100": {"content": "[UNK]", "special": True},
    "101": {"content": "[CLS]", "special": True},
    "102": {"content": "[SEP]", "special": True},
    "103": {"content": "[MASK]", "special": True},
}
_FLAGS = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}

_META = "\u2581"
_SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def _added(token: str, token_id: int, special: bool, normalized: bool = True) -> dict[str, Any]:
    flags = {**_FLAGS, "normalized": normalized}
    return {"id": token_id, "content": token, "special": special, **flags}


def _with_added(*tokens: tuple[str, bool]) -> Any:
    """Returns an edit of `tokenizer.json` that adds tokens after those of the vocabulary."""

    def edit(content: dict[str, Any]) -> dict[str, Any]:
        first = len(content["model"]["vocab"])
        added = [_added(t, first + i, special) for i, (t, special) in enumerate(tokens)]
        return {**content, "added_tokens": [*content["added_tokens"], *added]}

    return edit


def _without_token(name: str) -> Any:
    def edit(content: dict[str, Any]) -> dict[str, Any]:
        kept = [token for token in content["added_tokens"] if token["content"] != name]
        ids = content["model"]["vocab"]
        last = max(ids, key=ids.__getitem__)
        moved = {token: index for token, index in ids.items() if token != name}
        moved[last] = ids[name]
        return {**content, "added_tokens": kept, "model": {**content["model"], "vocab": moved}}

    return edit


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


WORDPIECE = [
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
            model("bert", tokenizer="cased"),
            tokenizer("cased"),
            put(SETTINGS, do_lower_case=REMOVED, strip_accents=REMOVED),
        ),
    ),
    Kind(
        "wordpiece_no_settings",
        "`tokenizer.json` is cased and there is no `tokenizer_config.json`",
        (),
        (model("bert", tokenizer="cased"), tokenizer("cased"), remove(SETTINGS)),
    ),
    Kind(
        "wordpiece_generic_cased",
        "`PreTrainedTokenizerFast`, whose `tokenizer.json` is cased and settings are not",
        (),
        (model("bert", tokenizer="cased"), tokenizer("cased"), put(SETTINGS, do_lower_case=True), _GENERIC),
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
        (model("bert", tokenizer="cased"), tokenizer("cased"), put(SETTINGS, strip_accents=True)),
    ),
    Kind(
        "wordpiece_keep_accents",
        "uncased, accents kept",
        ("dbmdz/bert-base-german-uncased",),
        (model("bert", tokenizer="accents"), tokenizer("accents"), put(SETTINGS, strip_accents=False)),
    ),
    Kind(
        "wordpiece_keep_accents_json",
        "uncased, accents kept: `PreTrainedTokenizerFast`, by `tokenizer.json`",
        (),
        (
            model("bert", tokenizer="accents"),
            tokenizer("accents"),
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
        "`model_max_length` 128",
        (),
        (*_BERT, put(SETTINGS, model_max_length=128)),
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
                    "max_length": 128,
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
        "wordpiece_no_post_processor",
        "`PreTrainedTokenizerFast` whose `tokenizer.json` puts no special tokens around texts",
        (),
        (*_BERT, put(JSON, post_processor=None), _GENERIC),
        refused="post_processor",
    ),
    Kind(
        "wordpiece_other_post_processor",
        "`PreTrainedTokenizerFast` whose `tokenizer.json` puts no `[CLS]` before texts",
        (),
        (
            *_BERT,
            change(
                JSON,
                lambda content: {
                    **content,
                    "post_processor": {
                        **content["post_processor"],
                        "single": content["post_processor"]["single"][1:],
                    },
                },
            ),
            _GENERIC,
        ),
        refused="post_processor",
    ),
    Kind(
        "wordpiece_bert_processing",
        "`BertProcessing` in place of a template",
        (),
        (
            *_BERT,
            put(
                JSON,
                post_processor={"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]},
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_no_post_processor_own_class",
        "`BertTokenizer`, which needs no post-processor in `tokenizer.json`",
        (),
        (*_BERT, put(JSON, post_processor=None)),
    ),
    Kind(
        "wordpiece_decoder_map",
        "`added_tokens_decoder`, `special_tokens_map.json` and objects for special tokens",
        ("BAAI/bge-small-en-v1.5", "thenlper/gte-base", "intfloat/e5-base-v2"),
        (
            *_BERT,
            put(SETTINGS, added_tokens_decoder={i: {**t, **_FLAGS} for i, t in _DECODED.items()}),
            put("special_tokens_map.json", cls_token={"content": "[CLS]", **_FLAGS}, mask_token="[MASK]"),
        ),
    ),
    Kind(
        "wordpiece_basic_tokenize",
        "settings that change nothing: `do_basic_tokenize`, `never_split`, `name_or_path`",
        (),
        (
            *_BERT,
            put(
                SETTINGS,
                do_basic_tokenize=True,
                never_split=None,
                name_or_path="bert-base-uncased",
                special_tokens_map_file=None,
                clean_up_tokenization_spaces=True,
                use_fast=True,
            ),
        ),
    ),
    Kind(
        "wordpiece_added_special",
        "special tokens added after the vocabulary",
        (),
        (
            model("bert", more_tokens=2),
            tokenizer("uncased"),
            change(JSON, _with_added(("[ENT]", True), ("[/ENT]", True))),
            put(SETTINGS, additional_special_tokens=["[ENT]", "[/ENT]"]),
        ),
    ),
    Kind(
        "wordpiece_added_words",
        "words added after the vocabulary",
        (),
        (
            model("bert", more_tokens=2),
            tokenizer("uncased"),
            change(JSON, _with_added(("hashtag", False), ("fox", False))),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_added_tokens_file",
        "words added by `added_tokens.json`, beside `vocab.txt`",
        (),
        (
            model("bert", more_tokens=1),
            tokenizer("uncased", "vocab.txt", SETTINGS),
            text("added_tokens.json", '{"hashtag": 1026}'),
        ),
    ),
    Kind(
        "wordpiece_no_mask",
        "no `[MASK]` in the vocabulary",
        (),
        (
            *_BERT,
            remove(JSON),
            text("vocab.txt", lambda lines: lines.replace("[MASK]\n", "masked\n")),
            put(SETTINGS, mask_token=REMOVED),
        ),
    ),
    Kind(
        "wordpiece_no_mask_json",
        "no `[MASK]` in `tokenizer.json`",
        (),
        (*_BERT, change(JSON, _without_token("[MASK]")), put(SETTINGS, mask_token=None), _GENERIC),
    ),
    Kind(
        "wordpiece_renamed",
        "special tokens with other names",
        (),
        (
            *_BERT,
            remove(JSON),
            text("vocab.txt", lambda lines: lines.replace("[CLS]", "<s>").replace("[SEP]", "</s>")),
            put(SETTINGS, cls_token="<s>", sep_token="</s>"),
        ),
    ),
    Kind(
        "wordpiece_twice",
        "a token twice in `vocab.txt`: the last one counts",
        (),
        (
            *_BERT,
            remove(JSON),
            text("vocab.txt", lambda lines: lines.replace("[unused7]\n", "the\n")),
        ),
    ),
    Kind(
        "wordpiece_carriage_returns",
        "`vocab.txt` with CR LF at the ends of lines",
        (),
        (*_BERT, remove(JSON), text("vocab.txt", lambda lines: lines.replace("\n", "\r\n"))),
    ),
    Kind(
        "wordpiece_blank_lines",
        "`vocab.txt` with a blank line, and without a line end at its end",
        (),
        (
            *_BERT,
            remove(JSON),
            text("vocab.txt", lambda lines: lines.replace("[unused7]\n", "\n").rstrip("\n")),
        ),
    ),
    Kind(
        "wordpiece_next_line",
        "`vocab.txt` with the characters U+0085 and U+2028 as tokens",
        ("google-bert/bert-base-multilingual-cased",),
        (
            *_BERT,
            remove(JSON),
            text(
                "vocab.txt",
                lambda lines: lines.replace("[unused7]", "\u0085").replace("[unused8]", "\u2028"),
            ),
        ),
    ),
    Kind(
        "wordpiece_distil_class",
        "BERT with `DistilBertTokenizer`, whose rows have no segments",
        (),
        (*_BERT, put(SETTINGS, tokenizer_class="DistilBertTokenizer")),
    ),
    Kind(
        "wordpiece_roberta_class",
        "BERT with `RobertaTokenizer` in its settings",
        (),
        (*_BERT, put(SETTINGS, tokenizer_class="RobertaTokenizer")),
        refused="RobertaTokenizer",
    ),
    Kind(
        "wordpiece_electra_class",
        "BERT with `ElectraTokenizer`, which is BERT's",
        (),
        (*_BERT, put(SETTINGS, tokenizer_class="ElectraTokenizer")),
    ),
    Kind(
        "wordpiece_class_in_config",
        "the class of the tokenizer in `config.json`",
        (),
        (
            *_BERT,
            put(SETTINGS, tokenizer_class=REMOVED),
            put("config.json", tokenizer_class="PreTrainedTokenizerFast"),
            put(JSON, normalizer__lowercase=False),
        ),
    ),
    Kind(
        "wordpiece_own_code",
        "a tokenizer of its own code, which is not run: its `tokenizer.json` is, as by transformers",
        (),
        (
            *_BERT,
            put(
                SETTINGS,
                tokenizer_class="SplittingTokenizer",
                auto_map={"AutoTokenizer": ["splitting.SplittingTokenizer", None]},
            ),
        ),
    ),
    Kind(
        "wordpiece_word_level",
        "`WordLevel` in place of WordPiece",
        (),
        (
            *_BERT,
            change(
                JSON,
                lambda content: {
                    **content,
                    "model": {
                        "type": "WordLevel",
                        "vocab": content["model"]["vocab"],
                        "unk_token": "[UNK]",
                    },
                },
            ),
            _GENERIC,
        ),
        refused="tokenizer.json: model.type 'WordLevel' is not supported",
    ),
]

BYTE_PAIRS = [
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
        (*_ROBERTA, put(JSON, pre_tokenizer__add_prefix_space=True), _GENERIC),
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
            put(JSON, post_processor={"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}),
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
        ("FacebookAI/roberta-base", "cardiffnlp/twitter-roberta-base-sentiment-latest"),
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
]

SENTENCE_PIECE = [
    Kind(
        "pieces_sequence",
        "normalizers in a sequence, runs of spaces replaced, `Metaspace` as today",
        ("BAAI/bge-m3",),
        (
            *_XLM_ROBERTA,
            change(JSON, _normalizers("rules", _SPACES)),
            put(JSON, pre_tokenizer=_metaspace(prepend_scheme="always", split=True)),
            _GENERIC,
        ),
        differing=OF_SENTENCE_PIECE,
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
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "pieces_old_metaspace_alone",
        "`Metaspace` with `add_prefix_space` alone",
        (),
        (*_XLM_ROBERTA, put(JSON, pre_tokenizer=_metaspace(add_prefix_space=True)), _GENERIC),
        differing=OF_SENTENCE_PIECE,
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
        differing=OF_SENTENCE_PIECE,
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
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "pieces_stripped",
        "white space at the end stripped, runs of spaces replaced by U+2581",
        ("BAAI/bge-reranker-v2-m3",)[:0],
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
        differing=OF_SENTENCE_PIECE,
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
        differing=OF_SENTENCE_PIECE[:1],
    ),
    Kind(
        "pieces_lowercase",
        "SentencePiece's rules, then lowercase",
        (),
        (*_XLM_ROBERTA, change(JSON, _normalizers("rules", {"type": "Lowercase"})), _GENERIC),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "pieces_fast_class",
        "`XLMRobertaTokenizerFast`",
        ("intfloat/multilingual-e5-base",)[:0],
        (*_XLM_ROBERTA, put(SETTINGS, tokenizer_class="XLMRobertaTokenizerFast")),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "pieces_no_normalizer",
        "no normalizer",
        (),
        (*_XLM_ROBERTA, put(JSON, normalizer=None), _GENERIC),
        differing=OF_SENTENCE_PIECE[:1],
    ),
    Kind(
        "pieces_bert_class",
        "XLM-RoBERTa with `BertTokenizer` in its settings, and no `vocab.txt`",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, tokenizer_class="BertTokenizer")),
        refused="BertTokenizer",
    ),
    Kind(
        "pieces_truncates_left",
        "`truncation_side` left",
        (),
        (*_XLM_ROBERTA, put(SETTINGS, truncation_side="left")),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "pieces_lowers_before",
        "`do_lower_case` in `sentence_bert_config.json`",
        (),
        (*_XLM_ROBERTA, embedder(), limit(128, lowers=True)),
        differing=OF_SENTENCE_PIECE,
    ),
]

KINDS = [*WORDPIECE, *BYTE_PAIRS, *SENTENCE_PIECE]
