"""The other families as they were published, and backbones with another family's tokenizer."""

import json

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import Step, embedder, model, put, text, tokenizer


def _settings(**values: object) -> Step:
    """The few settings of a checkpoint of 2018 to 2020."""
    return text("tokenizer_config.json", json.dumps(values))


DISTIL_BERT = [
    Kind(
        "distilbert_masked_lm",
        "DistilBERT, uncased",
        ("distilbert/distilbert-base-uncased",),
        (
            model("distilbert", "ForMaskedLM"),
            tokenizer("uncased", "tokenizer.json", "vocab.txt"),
            _settings(do_lower_case=True, model_max_length=512),
        ),
    ),
    Kind(
        "distilbert_cased",
        "DistilBERT, cased",
        ("distilbert/distilbert-base-cased", "distilbert/distilbert-base-multilingual-cased"),
        (
            model("distilbert", "ForMaskedLM", "cased"),
            tokenizer("cased", "tokenizer.json", "vocab.txt"),
            _settings(do_lower_case=False, model_max_length=512),
        ),
    ),
    Kind(
        "distilbert_own_class",
        "DistilBERT with `DistilBertTokenizer`",
        ("sentence-transformers/msmarco-distilbert-base-v4",),
        (
            model("distilbert"),
            tokenizer("uncased"),
            put("tokenizer_config.json", tokenizer_class="DistilBertTokenizer"),
        ),
    ),
    Kind(
        "distilbert_sinusoidal",
        "DistilBERT with positions of sines, which are stored",
        (),
        (model("distilbert", sinusoidal_pos_embds=True), tokenizer("uncased", "tokenizer.json")),
    ),
    Kind(
        "distilbert_relu",
        "DistilBERT with relu",
        (),
        (model("distilbert", activation="relu"), tokenizer("uncased", "tokenizer.json")),
    ),
]

ROBERTA = [
    Kind(
        "roberta_masked_lm",
        "RoBERTa with its pretraining head",
        ("FacebookAI/roberta-base", "FacebookAI/roberta-large", "distilbert/distilroberta-base"),
        (
            model("roberta", "ForMaskedLM"),
            tokenizer("byte_pairs", "tokenizer.json", "vocab.json", "merges.txt"),
            _settings(model_max_length=512),
        ),
    ),
    Kind(
        "roberta_vocabulary_only",
        "RoBERTa with `vocab.json` and `merges.txt` alone",
        (),
        (
            model("roberta"),
            tokenizer("byte_pairs", "vocab.json", "merges.txt"),
            embedder(length=512),
        ),
    ),
    Kind(
        "roberta_pooler",
        "RoBERTa with a pooler's weights",
        (),
        (model("roberta"), tokenizer("byte_pairs")),
    ),
    Kind(
        "roberta_klue",
        "RoBERTa with the tokenizer of BERT, its special tokens where RoBERTa's are",
        ("klue/roberta-base", "klue/roberta-small", "klue/roberta-large"),
        (model("roberta", "ForMaskedLM", "klue"), tokenizer("klue")),
    ),
    Kind(
        "roberta_wordpiece",
        "RoBERTa with the tokenizer of BERT",
        (),
        (
            model(
                "roberta",
                "ForMaskedLM",
                "cased",
                pad_token_id=0,
                bos_token_id=101,
                eos_token_id=102,
            ),
            tokenizer("cased"),
        ),
    ),
    Kind(
        "roberta_pad_id_1_wordpiece",
        "RoBERTa with the tokenizer of BERT, whose padding has the id 1 in `config.json`",
        (),
        (
            model("roberta", "ForMaskedLM", "cased"),
            tokenizer("cased"),
            put("tokenizer_config.json", bos_token="[CLS]", eos_token="[SEP]"),
        ),
    ),
    Kind(
        "phobert",
        "PhoBERT, with byte pairs of its own",
        ("vinai/phobert-base",),
        (
            model("roberta", "ForMaskedLM"),
            tokenizer("byte_pairs", "merges.txt"),
            text("vocab.txt", "hello 5\nworld 3\n"),
            text("bpe.codes", "h e 5\n"),
            put("tokenizer_config.json", tokenizer_class="PhobertTokenizer"),
        ),
        refused="its tokenizer is a PhobertTokenizer",
    ),
    Kind(
        "bertweet",
        "BERTweet, with byte pairs of its own",
        ("vinai/bertweet-base",),
        (
            model("roberta", "ForMaskedLM"),
            text("vocab.txt", "hello 5\nworld 3\n"),
            text("bpe.codes", "h e 5\n"),
            put("tokenizer_config.json", tokenizer_class="BertweetTokenizer"),
        ),
        refused="its tokenizer is a BertweetTokenizer",
    ),
    Kind(
        "roberta_short_positions",
        "RoBERTa with 130 positions",
        (),
        (
            model("roberta", max_position_embeddings=130),
            tokenizer("byte_pairs"),
            put("tokenizer_config.json", model_max_length=128),
        ),
    ),
    Kind(
        "roberta_two_segments",
        "RoBERTa with two kinds of segments, of which the first is used",
        (),
        (model("roberta", type_vocab_size=2), tokenizer("byte_pairs")),
    ),
]

XLM_ROBERTA = [
    Kind(
        "xlm_roberta_masked_lm",
        "XLM-RoBERTa with its pretraining head",
        ("FacebookAI/xlm-roberta-base", "FacebookAI/xlm-roberta-large"),
        (
            model("xlm-roberta", "ForMaskedLM"),
            tokenizer("pieces", "tokenizer.json", "sentencepiece.bpe.model"),
            _settings(model_max_length=512),
        ),
    ),
    Kind(
        "xlm_roberta_model_only",
        "XLM-RoBERTa with `sentencepiece.bpe.model` alone",
        (),
        (
            model("xlm-roberta"),
            tokenizer("pieces", "sentencepiece.bpe.model"),
            _settings(model_max_length=512),
        ),
    ),
    Kind(
        "xlm_roberta_json_only",
        "XLM-RoBERTa with `tokenizer.json` alone",
        (),
        (model("xlm-roberta"), tokenizer("pieces", "tokenizer.json", "tokenizer_config.json")),
    ),
    Kind(
        "camembert_masked_lm",
        "CamemBERT with its pretraining head",
        ("almanach/camembert-base",),
        (
            model("camembert", "ForMaskedLM"),
            tokenizer("camembert", "tokenizer.json", "sentencepiece.bpe.model"),
            _settings(model_max_length=512),
        ),
    ),
    Kind(
        "camembert_settings",
        "CamemBERT with `CamembertTokenizer` and its special tokens in the settings",
        (),
        (
            model("camembert"),
            tokenizer("camembert"),
        ),
    ),
]

OTHER_TOKENIZERS = [
    Kind(
        "herbert",
        "HerBERT: BERT with byte pairs of words",
        ("allegro/herbert-base-cased",),
        (model("bert", tokenizer="herbert", pad_token_id=1, bos_token_id=0), tokenizer("herbert")),
    ),
    Kind(
        "bert_japanese_mecab",
        "Japanese BERT, words by MeCab",
        ("tohoku-nlp/bert-base-japanese-v3",),
        (
            model("bert", tokenizer="characters"),
            tokenizer("characters", "vocab.txt"),
            _settings(
                tokenizer_class="BertJapaneseTokenizer",
                word_tokenizer_type="mecab",
                subword_tokenizer_type="wordpiece",
                do_lower_case=False,
                model_max_length=512,
            ),
        ),
        refused="its tokenizer is a BertJapaneseTokenizer",
    ),
    Kind(
        "bert_japanese_characters",
        "Japanese BERT, characters",
        ("tohoku-nlp/bert-base-japanese-char-v3",),
        (
            model("bert", tokenizer="characters"),
            tokenizer("characters", "vocab.txt"),
            _settings(
                tokenizer_class="BertJapaneseTokenizer",
                word_tokenizer_type="basic",
                subword_tokenizer_type="character",
                do_lower_case=False,
                model_max_length=512,
            ),
        ),
        refused="its tokenizer is a BertJapaneseTokenizer",
    ),
    Kind(
        "bert_sentence_piece",
        "BERT with the tokenizer of XLM-RoBERTa",
        (
            "intfloat/multilingual-e5-small",
            "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        ),
        (model("bert", tokenizer="pieces", pad_token_id=0), tokenizer("pieces")),
    ),
    Kind(
        "bert_sentence_piece_generic",
        "BERT with XLM-RoBERTa's `tokenizer.json` and `PreTrainedTokenizerFast`",
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",),
        (
            model("bert", tokenizer="pieces", pad_token_id=0),
            tokenizer("pieces", "tokenizer.json", "tokenizer_config.json"),
            put("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast"),
        ),
    ),
    Kind(
        "bert_byte_pairs",
        "BERT with the tokenizer of RoBERTa",
        (),
        (model("bert", tokenizer="byte_pairs", pad_token_id=1), tokenizer("byte_pairs")),
    ),
    Kind(
        "xlm_roberta_wordpiece",
        "XLM-RoBERTa with the tokenizer of BERT",
        (),
        (
            model("xlm-roberta", tokenizer="uncased", pad_token_id=0),
            tokenizer("uncased"),
        ),
    ),
]
