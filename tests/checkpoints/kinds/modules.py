"""Models of sentence-transformers: other modules and poolings, folders, prompts."""

import json

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    Step,
    dense,
    embedder,
    layer_norm,
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
)

PROMPTS = "config_sentence_transformers.json"

_BERT = (model("bert"), tokenizer("uncased"))


def _listed(**types: str) -> Step:
    """Writes `modules.json` with a type for each folder."""
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": kind}
        for index, (path, kind) in enumerate(types.items())
    ]
    return text("modules.json", json.dumps(listed))


def _module(index: int, kind: str, **config: object) -> Step:
    return text(f"{index}_{kind}/config.json", json.dumps(config))


KINDS = [
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
        "a dense layer to fewer numbers",
        (
            "sentence-transformers/distiluse-base-multilingual-cased-v1",
            "sentence-transformers/distiluse-base-multilingual-cased-v2",
        ),
        (
            model("distilbert", tokenizer="cased"),
            tokenizer("cased"),
            put("tokenizer_config.json", tokenizer_class="DistilBertTokenizer"),
            limit(128),
            modules("Transformer", "Pooling", "Dense"),
            pooling("mean"),
            dense(16, "activation.Tanh"),
        ),
    ),
    Kind(
        "dense_identity",
        "a dense layer without bias and activation",
        (),
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
        "the model in `0_Transformer`",
        (),
        (
            *_BERT,
            limit(128),
            moved("0_Transformer"),
            modules("Transformer", "Pooling", at="0_Transformer"),
            pooling("mean"),
        ),
    ),
    Kind(
        "subfolder_bert_class",
        "the module `BERT` of the first versions",
        (),
        (
            *_BERT,
            limit(128),
            moved("0_BERT"),
            _listed(
                **{
                    "0_BERT": "sentence_transformers.models.BERT",
                    "1_Pooling": "sentence_transformers.models.Pooling",
                }
            ),
            pooling("mean"),
        ),
        refused="modules.json: the module 'BERT' is not computed here",
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
        (),
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
            layer_norm(),
        ),
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
        "a module of its own code",
        (),
        (
            *_BERT,
            _listed(**{"": "sentence_transformers.models.Transformer", "1_Own": "own.Pooling"}),
        ),
        refused="own.Pooling",
    ),
    Kind(
        "static_embeddings",
        "static embeddings: no transformer",
        ("sentence-transformers/static-retrieval-mrl-en-v1",),
        (
            *_BERT,
            remove("config.json"),
            modules("StaticEmbedding"),
            text("config_sentence_transformers.json", "{}"),
        ),
        refused="modules.json: the module 'StaticEmbedding' is not computed here",
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
        "default_prompt",
        "a default prompt",
        (),
        (
            *_BERT,
            embedder(),
            put(
                PROMPTS,
                prompts={"query": "query: ", "document": "passage: "},
                default_prompt_name="query",
            ),
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
        (),
        (
            *_BERT,
            embedder(),
            put("1_Pooling/config.json", include_prompt=False),
            put(PROMPTS, prompts={"query": "query: "}, default_prompt_name="query"),
        ),
    ),
    Kind(
        "weighted_layers",
        "a module `WeightedLayerPooling`",
        (),
        (
            *_BERT,
            modules("Transformer", "WeightedLayerPooling", "Pooling"),
            limit(128),
            _module(1, "WeightedLayerPooling", word_embedding_dimension=32),
        ),
        refused="WeightedLayerPooling",
    ),
    Kind(
        "router",
        "a module `Router`: other models for queries than for documents",
        (),
        (*_BERT, modules("Router", "Pooling")),
        refused="Router",
    ),
    Kind(
        "word_embeddings",
        "word vectors: no transformer",
        ("sentence-transformers/average_word_embeddings_glove.6B.300d",),
        (*_BERT, remove("config.json"), modules("WordEmbeddings", "Pooling"), pooling("mean")),
        refused="modules.json: the module 'WordEmbeddings' is not computed here",
    ),
    Kind(
        "truncated_dimensions",
        "`truncate_dim` in `config_sentence_transformers.json`",
        (),
        (*_BERT, embedder("mean"), put(PROMPTS, truncate_dim=16)),
    ),
    Kind(
        "truncated_dimensions_normalized",
        "`truncate_dim` after a normalization, which is not done again",
        (),
        (*_BERT, embedder("mean", True), put(PROMPTS, truncate_dim=16)),
    ),
    Kind(
        "default_prompt_unknown",
        "a default prompt that is not among the prompts",
        (),
        (
            *_BERT,
            embedder(),
            put(PROMPTS, prompts={"query": "query: "}, default_prompt_name="passage"),
        ),
        refused="default_prompt_name 'passage' is not one of query, document",
    ),
]
