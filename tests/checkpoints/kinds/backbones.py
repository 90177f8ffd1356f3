"""Checkpoints of pretraining: backbones as they were published, read as embedders."""

import json

import torch

from tests.checkpoints.building import (
    REMOVED,
    Step,
    change,
    embedder,
    limit,
    model,
    modules,
    named,
    pickled,
    pooling,
    put,
    remove,
    text,
    together,
    tokenizer,
    without_weights,
)
from tests.checkpoints.kind import Kind

_OLD_NORM = together(
    named("LayerNorm.weight", "LayerNorm.gamma"), named("LayerNorm.bias", "LayerNorm.beta")
)


def _settings(**values: object) -> Step:
    """The few settings of a checkpoint of 2018 to 2020."""
    return text("tokenizer_config.json", json.dumps(values))


BERT = [
    Kind(
        "bert_pretraining",
        "BERT, uncased, with its pretraining heads and weights called gamma and beta",
        ("google-bert/bert-base-uncased", "google-bert/bert-large-uncased"),
        (
            model("bert", "ForPreTraining"),
            put("config.json", architectures=["BertForMaskedLM"]),
            _OLD_NORM,
            tokenizer("uncased", "tokenizer.json", "vocab.txt"),
            _settings(do_lower_case=True, model_max_length=512),
        ),
    ),
    Kind(
        "bert_cased",
        "BERT, cased",
        ("google-bert/bert-base-cased", "google-bert/bert-base-multilingual-cased"),
        (
            model("bert", "ForMaskedLM", "cased"),
            tokenizer("cased", "tokenizer.json", "vocab.txt"),
            _settings(do_lower_case=False, model_max_length=512),
        ),
    ),
    Kind(
        "bert_characters",
        "BERT with a vocabulary of single characters",
        ("google-bert/bert-base-chinese",),
        (
            model("bert", "ForMaskedLM", "characters"),
            tokenizer("characters", "tokenizer.json", "vocab.txt"),
            _settings(do_lower_case=False, model_max_length=512),
        ),
    ),
    Kind(
        "bert_vocabulary_only",
        "BERT with `vocab.txt` alone: no file says how to split",
        ("google/bert_uncased_L-2_H-128_A-2", "allenai/scibert_scivocab_uncased"),
        (model("bert"), tokenizer("uncased", "vocab.txt")),
    ),
    Kind(
        "bert_cased_vocabulary_only",
        "BERT, cased, with `vocab.txt` alone: lowercased, as by transformers",
        ("SpanBERT/spanbert-base-cased",),
        (model("bert", tokenizer="cased"), tokenizer("cased", "vocab.txt")),
    ),
    Kind(
        "bert_vocabulary_and_settings",
        "BERT, cased, with `vocab.txt` and `do_lower_case` false",
        ("nlpaueb/legal-bert-base-uncased", "DeepPavlov/rubert-base-cased"),
        (
            model("bert", tokenizer="cased"),
            tokenizer("cased", "vocab.txt"),
            _settings(do_lower_case=False),
        ),
    ),
    Kind(
        "bert_no_model_type",
        "BERT whose `config.json` lacks `model_type`",
        (),
        (
            model("bert"),
            put("config.json", model_type=REMOVED, architectures=REMOVED),
            tokenizer("uncased", "vocab.txt"),
        ),
        refused="config.json: must be an object with `class_name` and `config` (Keras Hub), or "
        "`model_type` (Hugging Face)",
    ),
    Kind(
        "bert_pickle",
        "weights in `pytorch_model.bin` alone",
        ("prajjwal1/bert-tiny", "allenai/scibert_scivocab_uncased"),
        (model("bert"), pickled, tokenizer("uncased", "vocab.txt")),
        refused="pytorch_model.bin: only safetensors are read, since other formats can run code",
    ),
    Kind(
        "bert_no_pooler",
        "BERT without a pooler's weights",
        ("nreimers/MiniLM-L6-H384-uncased", "princeton-nlp/unsup-simcse-bert-base-uncased"),
        (model("bert"), without_weights("pooler"), tokenizer("uncased")),
    ),
    Kind(
        "bert_no_head_prefix",
        "BERT of a model with a head, its weights named without `bert.`",
        (),
        (model("bert", "ForMaskedLM"), named("bert.", ""), tokenizer("uncased")),
    ),
    Kind(
        "bert_sharded",
        "weights in several files",
        (),
        (model("bert", shard_size="40KB"), tokenizer("uncased")),
    ),
    Kind(
        "bert_float16",
        "weights in float16",
        ("cointegrated/rubert-tiny2",),
        (model("bert", dtype=torch.float16), put("config.json", dtype="float32"), tokenizer("uncased")),
    ),
    Kind(
        "bert_bfloat16",
        "weights in bfloat16",
        (),
        (model("bert", dtype=torch.bfloat16), put("config.json", dtype="float32"), tokenizer("uncased")),
    ),
    Kind(
        "bert_more_embeddings",
        "more embeddings than tokens: a vocabulary padded to a multiple",
        ("vinai/phobert-base",)[:0],
        (model("bert", more_tokens=61), tokenizer("uncased")),
    ),
    Kind(
        "bert_gelu_new",
        "the tanh-approximate gelu",
        ("google/muril-base-cased",)[:0],
        (model("bert", hidden_act="gelu_new"), tokenizer("uncased")),
    ),
    Kind(
        "bert_gelu_python",
        "`gelu_python`",
        (),
        (model("bert", hidden_act="gelu_python"), tokenizer("uncased")),
    ),
    Kind("bert_relu", "relu", (), (model("bert", hidden_act="relu"), tokenizer("uncased"))),
    Kind(
        "bert_silu",
        "silu",
        (),
        (model("bert", hidden_act="silu"), tokenizer("uncased")),
    ),
    Kind(
        "bert_one_segment",
        "BERT with one kind of segment",
        (),
        (model("bert", type_vocab_size=1), tokenizer("uncased")),
    ),
    Kind(
        "bert_short_positions",
        "BERT with 128 positions and no length in any file",
        (),
        (model("bert", max_position_embeddings=128), tokenizer("uncased", "vocab.txt")),
    ),
    Kind(
        "bert_many_positions",
        "BERT with 2,048 positions, which its tokenizer uses",
        ("cointegrated/rubert-tiny2",),
        (
            model("bert", max_position_embeddings=2048),
            tokenizer("uncased"),
            put("tokenizer_config.json", model_max_length=2048),
        ),
    ),
    Kind(
        "bert_question_answering",
        "a model for question answering",
        ("deepset/bert-base-cased-squad2",),
        (model("bert", "ForQuestionAnswering"), tokenizer("uncased")),
    ),
    Kind(
        "bert_token_classification",
        "a model that labels tokens",
        ("dslim/bert-base-NER",),
        (
            model("bert", "ForTokenClassification", "cased", num_labels=9),
            tokenizer("cased"),
        ),
    ),
    Kind(
        "bert_next_sentence",
        "a model that tells whether a sentence follows",
        (),
        (model("bert", "ForNextSentencePrediction"), tokenizer("uncased")),
    ),
]

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
        (model("distilbert", sinusoidal_pos_embds=True), tokenizer("uncased")),
    ),
    Kind(
        "distilbert_relu",
        "DistilBERT with relu",
        (),
        (model("distilbert", activation="relu"), tokenizer("uncased")),
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
        ("microsoft/codebert-base",),
        (model("roberta"), tokenizer("byte_pairs", "vocab.json", "merges.txt"), embedder(length=512)),
    ),
    Kind(
        "roberta_pooler",
        "RoBERTa with a pooler's weights",
        ("microsoft/graphcodebert-base",),
        (model("roberta"), tokenizer("byte_pairs")),
    ),
    Kind(
        "roberta_wordpiece",
        "RoBERTa with the tokenizer of BERT",
        ("klue/roberta-base", "klue/roberta-large"),
        (
            model("roberta", "ForMaskedLM", "cased", pad_token_id=0, bos_token_id=101, eos_token_id=102),
            tokenizer("cased"),
        ),
    ),
    Kind(
        "roberta_pad_id_1_wordpiece",
        "RoBERTa with the tokenizer of BERT, whose padding has the id 1 in `config.json`",
        ("klue/roberta-small",),
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
        refused="PhobertTokenizer",
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
        refused="BertweetTokenizer",
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
        ("intfloat/multilingual-e5-base",)[:0],
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
        ("dangvantuan/sentence-camembert-base",),
        (
            model("camembert"),
            tokenizer("camembert"),
            modules("Transformer", "Pooling"),
            pooling("mean"),
            limit(128, kind="bert"),
        ),
    ),
]

OTHER_TOKENIZERS = [
    Kind(
        "herbert",
        "HerBERT: BERT with byte pairs of words",
        ("allegro/herbert-base-cased",),
        (model("bert", tokenizer="herbert", pad_token_id=1, bos_token_id=0), tokenizer("herbert")),
        refused="HerbertTokenizer",
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
        refused="BertJapaneseTokenizer",
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
        refused="BertJapaneseTokenizer",
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

KINDS = [*BERT, *DISTIL_BERT, *ROBERTA, *XLM_ROBERTA, *OTHER_TOKENIZERS]
