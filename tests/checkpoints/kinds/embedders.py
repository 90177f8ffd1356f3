"""Models of sentence-transformers: the usual modules, lengths, files of today."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    REMOVED,
    embedder,
    limit,
    model,
    modules,
    pooling,
    put,
    saved_again,
    tokenizer,
)

_BERT = (model("bert"), tokenizer("uncased"))
_DISTIL_BERT = (
    model("distilbert"),
    tokenizer("uncased"),
    put("tokenizer_config.json", tokenizer_class="DistilBertTokenizer"),
)
_ROBERTA = (model("roberta"), tokenizer("byte_pairs"))
_XLM_ROBERTA = (model("xlm-roberta"), tokenizer("pieces"))


KINDS = [
    Kind(
        "mean_normalized",
        "mean pooling, normalized, 256 tokens",
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L12-v2"),
        (*_BERT, embedder("mean", True, 256)),
    ),
    Kind(
        "mean",
        "mean pooling",
        ("sentence-transformers/paraphrase-MiniLM-L6-v2", "shibing624/text2vec-base-chinese"),
        (*_BERT, embedder("mean")),
    ),
    Kind(
        "cls_normalized",
        "the first token's vector, normalized, 512 tokens",
        ("BAAI/bge-small-en-v1.5", "BAAI/bge-base-en-v1.5", "BAAI/bge-large-zh-v1.5"),
        (*_BERT, embedder("cls", True, 512)),
    ),
    Kind(
        "cls",
        "the first token's vector",
        (),
        (*_BERT, embedder("cls")),
    ),
    Kind("max", "the maximum of the tokens' vectors", (), (*_BERT, embedder("max"))),
    Kind(
        "mean_512_normalized_e5",
        "mean pooling, normalized, 512 tokens",
        ("intfloat/e5-small-v2", "intfloat/e5-base-v2", "thenlper/gte-small"),
        (*_BERT, embedder("mean", True, 512)),
    ),
    Kind(
        "distilbert_mean",
        "DistilBERT, mean pooling",
        ("sentence-transformers/msmarco-distilbert-base-v4",),
        (*_DISTIL_BERT, embedder("mean", length=512)),
    ),
    Kind(
        "distilbert_cls",
        "DistilBERT, the first token's vector",
        ("sentence-transformers/msmarco-distilbert-base-tas-b",),
        (*_DISTIL_BERT, embedder("cls", length=512)),
    ),
    Kind(
        "distilroberta_normalized",
        "RoBERTa, mean pooling, normalized, 512 tokens",
        ("sentence-transformers/all-distilroberta-v1",),
        (*_ROBERTA, embedder("mean", True, 512)),
    ),
    Kind(
        "xlm_roberta_mean",
        "XLM-RoBERTa, mean pooling, 128 tokens",
        ("sentence-transformers/paraphrase-multilingual-mpnet-base-v2",),
        (*_XLM_ROBERTA, embedder("mean")),
    ),
    Kind(
        "xlm_roberta_mean_normalized",
        "XLM-RoBERTa, mean pooling, normalized, 512 tokens",
        ("intfloat/multilingual-e5-base", "intfloat/multilingual-e5-large"),
        (*_XLM_ROBERTA, embedder("mean", True, 512)),
    ),
    Kind(
        "xlm_roberta_long",
        "XLM-RoBERTa, the first token's vector, normalized, more than 512 tokens",
        ("BAAI/bge-m3",),
        (
            model("xlm-roberta", max_position_embeddings=1026),
            tokenizer("pieces"),
            put("tokenizer_config.json", model_max_length=1024),
            embedder("cls", True, 1024),
        ),
    ),
    Kind(
        "multilingual_minilm",
        "BERT with XLM-RoBERTa's tokenizer, mean pooling",
        (
            "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
            "intfloat/multilingual-e5-small",
        ),
        (
            model("bert", tokenizer="pieces", pad_token_id=0),
            tokenizer("pieces"),
            embedder("mean"),
        ),
    ),
    Kind(
        "korean",
        "RoBERTa with BERT's tokenizer, mean pooling",
        ("jhgan/ko-sroberta-multitask",),
        (
            model("roberta", tokenizer="klue"),
            tokenizer("klue"),
            embedder("mean"),
        ),
    ),
    Kind(
        "camembert",
        "CamemBERT, mean pooling",
        ("dangvantuan/sentence-camembert-base", "dangvantuan/sentence-camembert-large"),
        (model("camembert"), tokenizer("camembert"), embedder("mean")),
    ),
    Kind(
        "plain",
        "no file of sentence-transformers: the mean of all tokens",
        ("princeton-nlp/sup-simcse-bert-base-uncased", "allenai/specter"),
        _BERT,
    ),
    Kind(
        "masked_lm_embedder",
        "the weights of a pretraining model under `modules.json`",
        (),
        (model("bert", "ForMaskedLM"), tokenizer("uncased"), embedder()),
    ),
    Kind(
        "lowers_before",
        "`do_lower_case` in `sentence_bert_config.json` of a cased model",
        (),
        (
            model("bert", tokenizer="cased"),
            tokenizer("cased"),
            embedder(),
            limit(128, lowers=True),
        ),
    ),
    Kind(
        "today_lowercase",
        "`do_lower_case` of a cased model, saved by sentence-transformers 6",
        (),
        (
            model("bert", tokenizer="cased"),
            tokenizer("cased"),
            embedder(),
            limit(128, lowers=True),
            saved_again,
        ),
        before="the lowercasing in `tokenizer.json` is not heeded",
    ),
    Kind(
        "length_beyond_positions",
        "`max_seq_length` null: as long as the positions",
        (),
        (*_BERT, put("tokenizer_config.json", model_max_length=REMOVED), embedder(length=None)),
    ),
    Kind(
        "length_of_tokenizer",
        "no `max_seq_length`, `model_max_length` 64",
        (),
        (*_BERT, embedder(length=None), put("tokenizer_config.json", model_max_length=64)),
    ),
    Kind(
        "old_settings_name",
        "`sentence_distilbert_config.json`",
        (),
        (
            *_DISTIL_BERT,
            modules("Transformer", "Pooling"),
            pooling("mean"),
            limit(100, kind="distilbert"),
        ),
    ),
    Kind(
        "today",
        "files as sentence-transformers 6 saves them",
        (),
        (*_BERT, embedder("mean", True, 128), saved_again),
        before="sentence-transformers 5 does not know the name of the module `Normalize`",
    ),
    Kind(
        "tokenizer_args",
        "`tokenizer_args` in `sentence_bert_config.json`, which lower the length",
        (),
        (
            *_BERT,
            embedder(length=None),
            put("sentence_bert_config.json", tokenizer_args={"model_max_length": 64}),
        ),
        refused="sentence_bert_config.json: tokenizer_args 'model_max_length' is not supported",
    ),
]
