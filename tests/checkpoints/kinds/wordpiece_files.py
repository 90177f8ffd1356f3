"""WordPiece: special and added tokens, odd vocabularies, classes of tokenizers."""

from typing import Any

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import REMOVED, change, model, put, remove, text, tokenizer

SETTINGS = "tokenizer_config.json"
JSON = "tokenizer.json"

_BERT = (model("bert"), tokenizer("uncased"))
_GENERIC = put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")
_DECODED = {
    "0": {"content": "[PAD]", "special": True},
    "100": {"content": "[UNK]", "special": True},
    "101": {"content": "[CLS]", "special": True},
    "102": {"content": "[SEP]", "special": True},
    "103": {"content": "[MASK]", "special": True},
}
_FLAGS = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}


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


KINDS = [
    Kind(
        "wordpiece_no_post_processor",
        "`PreTrainedTokenizerFast` whose `tokenizer.json` puts no special tokens around texts",
        (),
        (*_BERT, put(JSON, post_processor=None), _GENERIC),
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
    ),
    Kind(
        "wordpiece_bert_processing",
        "`BertProcessing` in place of a template",
        (),
        (
            *_BERT,
            put(
                JSON,
                post_processor={
                    "type": "BertProcessing",
                    "sep": ["[SEP]", 102],
                    "cls": ["[CLS]", 101],
                },
            ),
            _GENERIC,
        ),
    ),
    Kind(
        "wordpiece_no_post_processor_own_class",
        "`BertTokenizer`, which needs no post-processor in `tokenizer.json`",
        (),
        (*_BERT, put(JSON, post_processor=None)),
        before="no special tokens around texts",
    ),
    Kind(
        "wordpiece_decoder_map",
        "`added_tokens_decoder`, `special_tokens_map.json` and objects for special tokens",
        ("BAAI/bge-small-en-v1.5",),
        (
            *_BERT,
            put(SETTINGS, added_tokens_decoder={i: {**t, **_FLAGS} for i, t in _DECODED.items()}),
            put(
                "special_tokens_map.json",
                cls_token={"content": "[CLS]", **_FLAGS},
                mask_token="[MASK]",
            ),
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
        (),
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
        refused="tokenizer.json: holds a WordPiece vocabulary, and the tokenizer class of "
        "tokenizer_config.json needs a BPE one",
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
        "a tokenizer of its own code",
        (),
        (
            *_BERT,
            put(
                SETTINGS,
                tokenizer_class="SplittingTokenizer",
                auto_map={"AutoTokenizer": ["splitting.SplittingTokenizer", None]},
            ),
        ),
        refused="its tokenizer is a SplittingTokenizer, which is not known here",
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
    ),
    Kind(
        "wordpiece_domain_words",
        "words of a domain in place of unused tokens",
        (),
        (
            *_BERT,
            remove(JSON),
            text("vocab.txt", lambda lines: lines.replace("[unused7]", "shopkeeper")),
        ),
    ),
]
