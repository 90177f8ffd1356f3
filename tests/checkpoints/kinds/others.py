"""Folders that are no checkpoints of the four families, or not in a form that is read."""

from pathlib import Path

import numpy as np

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    Step,
    model,
    put,
    remove,
    text,
    tokenizer,
    weights,
)

_BERT = (model("bert"), tokenizer("uncased"))


def _other(model_type: str, **fields: object) -> tuple[Step, ...]:
    """The files of a checkpoint of another family, as far as they are looked at."""
    return (*_BERT, put("config.json", model_type=model_type, **fields))


def _family(model_type: str, what: str, *examples: str, **fields: object) -> Kind:
    return Kind(
        f"family_{model_type.replace('-', '_')}",
        what,
        examples,
        _other(model_type, **fields),
        refused=f"config.json: model_type {model_type!r} is not one of bert, roberta, camembert, "
        "xlm-roberta, distilbert",
    )


def _only(name: str, content: bytes = b"not read") -> Step:
    """Leaves a file in place of the safetensors."""

    def write(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return write


FAMILIES = [
    _family("mpnet", "MPNet", "sentence-transformers/all-mpnet-base-v2"),
    _family("electra", "ELECTRA", "google/electra-base-discriminator"),
    _family("deberta-v2", "DeBERTa", "microsoft/deberta-v3-base"),
    _family("albert", "ALBERT", "albert/albert-base-v2"),
    _family("mobilebert", "MobileBERT", "google/mobilebert-uncased"),
    _family("modernbert", "ModernBERT", "answerdotai/ModernBERT-base"),
    _family("longformer", "Longformer", "allenai/longformer-base-4096"),
    _family("t5", "T5", "sentence-transformers/gtr-t5-base", "google-t5/t5-base"),
    _family("qwen3", "decoders", "Qwen/Qwen3-Embedding-0.6B"),
    _family(
        "nomic_bert",
        "models of their own code",
        "nomic-ai/nomic-embed-text-v1.5",
        auto_map={"AutoModel": "modeling_hf_nomic_bert.NomicBertModel"},
    ),
    _family(
        "new",
        "models of their own code under the name `new`",
        "Alibaba-NLP/gte-large-en-v1.5",
        auto_map={"AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel"},
    ),
]

FORMS = [
    Kind(
        "own_code_of_bert",
        "`bert` with a model of its own code",
        ("jinaai/jina-embeddings-v2-base-en",),
        (
            *_BERT,
            put(
                "config.json",
                architectures=["JinaBertForMaskedLM"],
                position_embedding_type="alibi",
                auto_map={
                    "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"
                },
            ),
        ),
        refused="config.json: position_embedding_type must be 'absolute', not 'alibi'",
    ),
    Kind(
        "own_code_same_shape",
        "`bert` with code of its own, which is not run: read as BERT, as by transformers",
        (),
        (*_BERT, put("config.json", auto_map={"AutoModel": "modeling.OtherBertModel"})),
    ),
    Kind(
        "relative_positions",
        "relative positions",
        (),
        (*_BERT, put("config.json", position_embedding_type="relative_key_query")),
        refused="config.json: position_embedding_type must be 'absolute', not 'relative_key_query'",
    ),
    Kind(
        "decoder",
        "a decoder",
        (),
        (*_BERT, put("config.json", is_decoder=True)),
        refused="config.json: is_decoder must be False, not True",
    ),
    Kind(
        "pruned",
        "pruned heads",
        (),
        (*_BERT, put("config.json", pruned_heads={"0": [1]})),
        refused="config.json: pruned_heads must be {}, not {'0': [1]}",
    ),
    Kind(
        "quantized_gptq",
        "weights quantized by GPTQ, AWQ or bitsandbytes",
        (),
        (*_BERT, put("config.json", quantization_config={"quant_method": "gptq", "bits": 4})),
        refused="config.json: quantization_config must be None, not",
    ),
    Kind(
        "integers",
        "weights of integers",
        (),
        (
            *_BERT,
            weights(lambda stored: {n: (v * 10).astype(np.int8) for n, v in stored.items()}),
        ),
        refused="is of the type I8, not one of F64, F32, F16, BF16",
    ),
    Kind(
        "unknown_weights",
        "weights that are not in a model of its configuration",
        (),
        (
            *_BERT,
            weights(lambda stored: {**stored, "projection.weight": np.zeros((8, 32), np.float32)}),
        ),
        refused="model.safetensors: holds 'projection.weight', which its configuration lacks",
    ),
    Kind(
        "missing_weights",
        "weights of fewer layers than the configuration says",
        (),
        (*_BERT, put("config.json", num_hidden_layers=3)),
        refused="model.safetensors: lacks 'encoder.layer.2.attention.self.query.weight'",
    ),
    Kind(
        "other_shapes",
        "weights of another vocabulary than the configuration says",
        (),
        (*_BERT, put("config.json", vocab_size=999)),
        refused="model.safetensors: 'embeddings.word_embeddings.weight' has the shape",
    ),
    Kind(
        "more_tokens_than_embeddings",
        "more tokens than the model has embeddings",
        (),
        (model("bert", more_tokens=-20), tokenizer("uncased")),
        refused="tokenizer.json: 1026 tokens, more than the 1006 embeddings of config.json",
    ),
    Kind(
        "tensorflow_only",
        "a damaged `tf_model.h5` alone; sound ones are read",
        (),
        (*_BERT, _only("tf_model.h5")),
        refused="tf_model.h5: cannot be read as HDF5",
    ),
    Kind(
        "flax_only",
        "weights in `flax_model.msgpack` alone",
        (),
        (*_BERT, _only("flax_model.msgpack")),
        refused="flax_model.msgpack: of Flax, and not read",
    ),
    Kind(
        "onnx_only",
        "weights in `onnx/model.onnx` alone",
        ("Xenova/all-MiniLM-L6-v2",),
        (*_BERT, _only("onnx/model.onnx")),
        refused="holds no weights that are read, but onnx/model.onnx",
    ),
    Kind(
        "adapter",
        "an adapter of PEFT alone",
        (),
        (
            *_BERT,
            _only("adapter_model.safetensors"),
            remove("config.json"),
            put(
                "adapter_config.json", peft_type="LORA", base_model_name_or_path="bert-base-uncased"
            ),
        ),
        refused="config.json",
    ),
    Kind(
        "no_vocabulary",
        "no tokenizer's file",
        (),
        (model("bert"),),
        refused="vocab.txt: no such file",
    ),
    Kind(
        "pointer",
        "files that are pointers of Git LFS",
        (),
        (
            *_BERT,
            text(
                "model.safetensors",
                "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n",
            ),
        ),
        refused="model.safetensors: ",
    ),
]
