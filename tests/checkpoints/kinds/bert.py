"""BERT as it was published: backbones, read as embedders."""

import json

import numpy as np

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    REMOVED,
    Step,
    minilm,
    model,
    named,
    pickled,
    put,
    text,
    together,
    tokenizer,
    weights,
    without_weights,
)

_OLD_NORM = together(
    named("LayerNorm.weight", "LayerNorm.gamma"), named("LayerNorm.bias", "LayerNorm.beta")
)


def _settings(**values: object) -> Step:
    """The few settings of a checkpoint of 2018 to 2020."""
    return text("tokenizer_config.json", json.dumps(values))


KINDS = [
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
        (),
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
        (),
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
        refused="pytorch_model.bin: a pickle, which can run code, and not read",
    ),
    Kind(
        "bert_no_pooler",
        "BERT without a pooler's weights",
        (),
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
        (),
        (model("bert", dtype="float16"), tokenizer("uncased")),
    ),
    Kind(
        "bert_bfloat16",
        "weights in bfloat16",
        (),
        (model("bert", dtype="bfloat16"), tokenizer("uncased")),
    ),
    Kind(
        "bert_more_embeddings",
        "more embeddings than tokens: a vocabulary padded to a multiple",
        (),
        (model("bert", more_tokens=61), tokenizer("uncased")),
    ),
    Kind(
        "bert_gelu_new",
        "`gelu_new`, the tanh-approximate gelu",
        (),
        (model("bert", hidden_act="gelu_new"), tokenizer("uncased")),
    ),
    Kind(
        "bert_gelu_python",
        "`gelu_python`",
        (),
        (model("bert", hidden_act="gelu_python"), tokenizer("uncased")),
    ),
    Kind("bert_relu", "`relu`", (), (model("bert", hidden_act="relu"), tokenizer("uncased"))),
    Kind(
        "bert_silu",
        "`silu`",
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
        "BERT with more than 512 positions, which its tokenizer uses",
        ("cointegrated/rubert-tiny2",),
        (
            model("bert", max_position_embeddings=1024),
            tokenizer("uncased"),
            put("tokenizer_config.json", model_max_length=1024),
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
    Kind(
        "bert_json_only",
        "BERT with `tokenizer.json` alone",
        (),
        (model("bert"), tokenizer("uncased", "tokenizer.json")),
    ),
    Kind(
        "bert_old_config",
        "`config.json` with fields of years and programs gone by",
        ("google-bert/bert-base-multilingual-cased",),
        (
            model("bert"),
            put(
                "config.json",
                directionality="bidi",
                gradient_checkpointing=False,
                output_past=True,
                pooler_fc_size=768,
                pooler_type="first_token_transform",
                position_embedding_type="absolute",
                torch_dtype="float32",
                transformers_version="4.6.0.dev0",
                use_cache=True,
                dtype=REMOVED,
            ),
            tokenizer("uncased"),
        ),
    ),
    Kind(
        "bert_no_architectures",
        "`config.json` without `architectures`",
        (),
        (model("bert"), put("config.json", architectures=REMOVED), tokenizer("uncased")),
    ),
    Kind(
        "bert_position_ids",
        "positions' ids stored beside the weights",
        ("sentence-transformers/all-MiniLM-L6-v2",),
        (
            model("bert"),
            weights(
                lambda stored: {
                    **stored,
                    "embeddings.position_ids": np.arange(512, dtype=np.int64)[None],
                }
            ),
            tokenizer("uncased"),
        ),
    ),
    Kind(
        "bert_norm_epsilon",
        "another `layer_norm_eps`",
        (),
        (model("bert", layer_norm_eps=1e-3), tokenizer("uncased")),
    ),
    Kind(
        "bert_gelu_fast",
        "`gelu_fast`",
        (),
        (model("bert", hidden_act="gelu_fast"), tokenizer("uncased")),
    ),
    Kind(
        "minilm",
        "all-MiniLM-L6-v2 itself, with its weights",
        ("sentence-transformers/all-MiniLM-L6-v2",),
        (minilm,),
    ),
]
