"""Models of sentence-transformers: modules, poolings, prompts, lengths."""

import json

from tests.checkpoints.building import (
    Step,
    dense,
    embedder,
    limit,
    model,
    modules,
    moved,
    pooling,
    put,
    remove,
    saved_again,
    text,
    tokenizer,
    without_weights,
)
from tests.checkpoints.kind import Kind
from tests.checkpoints.texts import OF_SENTENCE_PIECE

_BERT = (model("bert"), tokenizer("uncased"))
_DISTIL_BERT = (model("distilbert"), tokenizer("uncased"))
_ROBERTA = (model("roberta"), tokenizer("byte_pairs"))
_XLM_ROBERTA = (model("xlm-roberta"), tokenizer("pieces"))
PROMPTS = "config_sentence_transformers.json"


def _module(index: int, kind: str, **config: object) -> Step:
    return text(f"{index}_{kind}/config.json", json.dumps(config))


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
        ("cambridgeltl/SapBERT-from-PubMedBERT-fulltext",)[:0],
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
        "distilbert_cls_normalized",
        "DistilBERT, the first token's vector",
        ("sentence-transformers/msmarco-distilbert-base-tas-b",),
        (*_DISTIL_BERT, embedder("cls", length=512)),
    ),
    Kind(
        "distilroberta_normalized",
        "RoBERTa, mean pooling, normalized, 512 tokens",
        ("sentence-transformers/all-distilroberta-v1", "sentence-transformers/all-roberta-large-v1"),
        (*_ROBERTA, embedder("mean", True, 512)),
    ),
    Kind(
        "xlm_roberta_mean",
        "XLM-RoBERTa, mean pooling, 128 tokens",
        ("sentence-transformers/paraphrase-multilingual-mpnet-base-v2",),
        (*_XLM_ROBERTA, embedder("mean")),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "xlm_roberta_mean_normalized",
        "XLM-RoBERTa, mean pooling, normalized, 512 tokens",
        ("intfloat/multilingual-e5-base", "intfloat/multilingual-e5-large"),
        (*_XLM_ROBERTA, embedder("mean", True, 512)),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "xlm_roberta_long",
        "XLM-RoBERTa, the first token's vector, normalized, 8,192 tokens",
        ("BAAI/bge-m3",),
        (
            model("xlm-roberta", max_position_embeddings=8194),
            tokenizer("pieces"),
            put("tokenizer_config.json", model_max_length=8192),
            embedder("cls", True, 8192),
        ),
        differing=OF_SENTENCE_PIECE,
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
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "korean",
        "RoBERTa with BERT's tokenizer, mean pooling",
        ("jhgan/ko-sroberta-multitask",),
        (
            model("roberta", tokenizer="cased", pad_token_id=1),
            tokenizer("cased"),
            put(
                "tokenizer_config.json",
                bos_token="[CLS]",
                eos_token="[SEP]",
                tokenizer_class="BertTokenizer",
            ),
            embedder("mean"),
        ),
    ),
    Kind(
        "camembert",
        "CamemBERT, mean pooling",
        ("dangvantuan/sentence-camembert-base", "dangvantuan/sentence-camembert-large"),
        (model("camembert"), tokenizer("camembert"), embedder("mean")),
        differing=OF_SENTENCE_PIECE,
    ),
    Kind(
        "dense_tanh",
        "a dense layer with tanh after the first token's vector, then normalization",
        ("sentence-transformers/LaBSE",),
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dense", "Normalize"),
            pooling("cls"),
            dense(32, "activation.Tanh"),
            limit(256),
        ),
    ),
    Kind(
        "dense_smaller",
        "a dense layer to fewer numbers, the model in `0_Transformer`",
        (
            "sentence-transformers/distiluse-base-multilingual-cased-v1",
            "sentence-transformers/distiluse-base-multilingual-cased-v2",
        ),
        (
            model("distilbert", tokenizer="cased"),
            tokenizer("cased"),
            limit(128),
            moved("0_Transformer"),
            modules("Transformer", "Pooling", "Dense", at="0_Transformer"),
            pooling("mean"),
            dense(16, "activation.Tanh"),
        ),
    ),
    Kind(
        "dense_identity",
        "a dense layer without bias and activation",
        ("sentence-transformers/gtr-t5-base",)[:0],
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dense", "Normalize"),
            pooling("mean"),
            dense(48, "linear.Identity", bias=False),
            limit(256),
        ),
    ),
    Kind(
        "dense_relu",
        "a dense layer with relu",
        (),
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dense"),
            pooling("mean"),
            dense(16, "activation.ReLU"),
            limit(128),
        ),
    ),
    Kind(
        "dense_twice",
        "two dense layers",
        (),
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dense", "Dense"),
            pooling("mean"),
            dense(32, "activation.GELU"),
            dense(16, "activation.Tanh", index=3),
            limit(128),
        ),
    ),
    Kind(
        "subfolder",
        "the model in `0_BERT`, as the first versions saved it",
        ("sentence-transformers/bert-base-nli-mean-tokens",)[:0],
        (
            *_BERT,
            limit(128),
            moved("0_BERT"),
            modules("Transformer", "Pooling", at="0_BERT"),
            pooling("mean"),
        ),
    ),
    Kind(
        "subfolder_bert_class",
        "modules of the classes `BERT` and `DistilBERT` of the first versions",
        (),
        (
            *_BERT,
            limit(128),
            moved("0_BERT"),
            text(
                "modules.json",
                json.dumps(
                    [
                        {
                            "idx": 0,
                            "name": "0",
                            "path": "0_BERT",
                            "type": "sentence_transformers.models.BERT",
                        },
                        {
                            "idx": 1,
                            "name": "1",
                            "path": "1_Pooling",
                            "type": "sentence_transformers.models.Pooling",
                        },
                    ]
                ),
            ),
            pooling("mean"),
        ),
        refused="modules.json: ",
    ),
    Kind(
        "pooled_twice",
        "mean and maximum side by side",
        (),
        (*_BERT, modules("Transformer", "Pooling"), pooling("mean", "max"), limit(128)),
    ),
    Kind(
        "weighted_mean",
        "the mean weighted by position",
        ("Muennighoff/SGPT-125M-weightedmean-nli-bitfit",)[:0],
        (*_BERT, embedder("weightedmean")),
    ),
    Kind(
        "mean_by_root",
        "the sum divided by the root of the length",
        (),
        (*_BERT, embedder("mean_sqrt_len_tokens")),
    ),
    Kind("last_token", "the last token's vector", (), (*_BERT, embedder("lasttoken"))),
    Kind(
        "layer_norm_module",
        "a module `LayerNorm`",
        (),
        (
            *_BERT,
            modules("Transformer", "Pooling", "LayerNorm"),
            pooling("mean"),
            limit(128),
            _module(2, "LayerNorm", dimension=32),
        ),
        refused="LayerNorm",
    ),
    Kind(
        "cnn_module",
        "a module `CNN`",
        (),
        (
            *_BERT,
            modules("Transformer", "CNN", "Pooling"),
            limit(128),
            _module(1, "CNN", in_word_embedding_dimension=32),
        ),
        refused="CNN",
    ),
    Kind(
        "own_module",
        "a module of the preset's own code",
        (),
        (
            *_BERT,
            text(
                "modules.json",
                json.dumps(
                    [
                        {
                            "idx": 0,
                            "name": "0",
                            "path": "",
                            "type": "sentence_transformers.models.Transformer",
                        },
                        {"idx": 1, "name": "1", "path": "1_Own", "type": "own.Pooling"},
                    ]
                ),
            ),
        ),
        refused="own.Pooling",
    ),
    Kind(
        "static_embeddings",
        "static embeddings: no transformer",
        ("sentence-transformers/static-retrieval-mrl-en-v1", "minishlab/potion-base-8M"),
        (
            *_BERT,
            remove("config.json"),
            modules("StaticEmbedding"),
            text("config_sentence_transformers.json", "{}"),
        ),
        refused="config.json",
    ),
    Kind(
        "dropout_module",
        "a module `Dropout`, which does nothing here",
        (),
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dropout"),
            pooling("mean"),
            limit(128),
            _module(2, "Dropout", dropout=0.2),
        ),
    ),
    Kind(
        "today",
        "files as sentence-transformers 6 saves them",
        (),
        (*_BERT, embedder("mean", True, 128), saved_again),
    ),
    Kind(
        "today_dense",
        "a dense layer as sentence-transformers 6 saves it",
        (),
        (
            *_BERT,
            modules("Transformer", "Pooling", "Dense"),
            pooling("mean"),
            dense(16, "activation.Tanh"),
            limit(128),
            saved_again,
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
        "default_prompt",
        "a default prompt",
        (),
        (
            *_BERT,
            embedder(),
            put(PROMPTS, prompts={"query": "query: ", "document": "passage: "}, default_prompt_name="query"),
        ),
    ),
    Kind(
        "prompts",
        "prompts without a default",
        ("mixedbread-ai/mxbai-embed-large-v1", "Snowflake/snowflake-arctic-embed-m"),
        (*_BERT, embedder("cls"), put(PROMPTS, prompts={"query": "Represent this sentence: "})),
    ),
    Kind(
        "empty_prompts",
        "prompts that are empty, as sentence-transformers writes them",
        (),
        (
            *_BERT,
            embedder(),
            put(PROMPTS, prompts={"query": "", "document": ""}, default_prompt_name=None),
        ),
    ),
    Kind(
        "prompt_not_pooled",
        "a default prompt whose tokens are not pooled",
        ("hkunlp/instructor-base",)[:0],
        (
            *_BERT,
            embedder(),
            put("1_Pooling/config.json", include_prompt=False),
            put(PROMPTS, prompts={"query": "query: "}, default_prompt_name="query"),
        ),
    ),
    Kind(
        "length_beyond_positions",
        "`max_seq_length` null: as long as the positions",
        (),
        (*_BERT, embedder(length=None)),
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
        ("sentence-transformers/msmarco-distilbert-base-v2",)[:0],
        (
            *_DISTIL_BERT,
            modules("Transformer", "Pooling"),
            pooling("mean"),
            limit(100, kind="distilbert"),
        ),
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
        "no_pooler_embedder",
        "mean pooling, no pooler's weights, positions' ids stored",
        ("sentence-transformers/all-MiniLM-L6-v2",)[:0],
        (*_BERT, without_weights("pooler"), embedder()),
    ),
]
