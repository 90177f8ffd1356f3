"""Small preset folders in the format of Hugging Face, written by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

LETTERS = "abcdefghij"
WORDPIECE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
BYTE_PAIRS = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "ab", "<mask>"]
LAYERS, WIDTH, WIDER, LENGTH, CLASSES = 2, 4, 6, 8, 3

_BERT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": WIDER,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {
        "model_type": "bert",
        "vocab_size": len(WORDPIECE),
        "max_position_embeddings": LENGTH,
        "type_vocab_size": 2,
        **_BERT,
    },
    "roberta": {
        "model_type": "roberta",
        "vocab_size": len(BYTE_PAIRS),
        "max_position_embeddings": LENGTH + 2,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        **_BERT,
    },
    "xlm_roberta": {
        "model_type": "xlm-roberta",
        "vocab_size": 10,
        "max_position_embeddings": LENGTH + 2,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        **_BERT,
    },
    "distil_bert": {
        "model_type": "distilbert",
        "vocab_size": len(WORDPIECE),
        "max_position_embeddings": LENGTH,
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": 2,
        "hidden_dim": WIDER,
        "activation": "gelu",
        "dropout": 0.1,
    },
}
_LABELS = {"0": "bad", "1": "so so", "2": "good"}

_BERT_LAYER = {
    "attention.self.query": (WIDTH, WIDTH),
    "attention.self.key": (WIDTH, WIDTH),
    "attention.self.value": (WIDTH, WIDTH),
    "attention.output.dense": (WIDTH, WIDTH),
    "attention.output.LayerNorm": (WIDTH,),
    "intermediate.dense": (WIDER, WIDTH),
    "output.dense": (WIDTH, WIDER),
    "output.LayerNorm": (WIDTH,),
}
_DISTIL_BERT_LAYER = {
    "attention.q_lin": (WIDTH, WIDTH),
    "attention.k_lin": (WIDTH, WIDTH),
    "attention.v_lin": (WIDTH, WIDTH),
    "attention.out_lin": (WIDTH, WIDTH),
    "sa_layer_norm": (WIDTH,),
    "ffn.lin1": (WIDER, WIDTH),
    "ffn.lin2": (WIDTH, WIDER),
    "output_layer_norm": (WIDTH,),
}
_HEADS = {
    "bert": {"classifier": (CLASSES, WIDTH)},
    "roberta": {"classifier.dense": (WIDTH, WIDTH), "classifier.out_proj": (CLASSES, WIDTH)},
    "xlm_roberta": {"classifier.dense": (WIDTH, WIDTH), "classifier.out_proj": (CLASSES, WIDTH)},
    "distil_bert": {"pre_classifier": (WIDTH, WIDTH), "classifier": (CLASSES, WIDTH)},
}


def make_arrays(family: str, prefix: str = "", head: bool = False) -> dict[str, np.ndarray]:
    """Returns random weights by the names that transformers gives them."""
    config = CONFIGS[family]
    layer = _DISTIL_BERT_LAYER if family == "distil_bert" else _BERT_LAYER
    stack = "transformer.layer" if family == "distil_bert" else "encoder.layer"
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], WIDTH),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], WIDTH),
    }
    if "type_vocab_size" in config:
        shapes["embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], WIDTH)
    modules = {
        "embeddings.LayerNorm": (WIDTH,),
        **{f"{stack}.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()},
        **({"pooler.dense": (WIDTH, WIDTH)} if family == "bert" else {}),
    }
    for name, shape in modules.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    shapes = {f"{prefix}{name}": shape for name, shape in shapes.items()}
    if head:
        for name, shape in _HEADS[family].items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def write(folder: Path, file: str, content: Any) -> None:
    """Writes one of the folder's files: text, or what becomes JSON."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, "utf-8")


def edit(folder: Path, file: str, **fields: Any) -> None:
    """Sets fields of a JSON file."""
    write(folder, file, {**json.loads((folder / file).read_bytes()), **fields})


def save_shards(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes weights into two files and an index."""
    names = list(arrays)
    shards = {"model-1-of-2.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({name: arrays[name] for name in held}, folder / shard)
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    write(folder, "model.safetensors.index.json", {"weight_map": weight_map})


def make_folder(folder: Path, family: str, head: bool = False) -> Path:
    """Writes a preset folder; with a head it is a classifier of three classes."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "config.json", CONFIGS[family])
    if head:
        name = f"{family.title().replace('_', '')}ForSequenceClassification"
        edit(folder, "config.json", architectures=[name], id2label=_LABELS)
    save_file(make_arrays(family, head=head), folder / "model.safetensors")
    if family in ("bert", "distil_bert"):
        write(folder, "vocab.txt", "".join(f"{token}\n" for token in WORDPIECE))
    elif family == "roberta":
        ids = {token: index for index, token in enumerate(BYTE_PAIRS)}
        write(folder, "vocab.json", ids)
        write(folder, "merges.txt", "#version: 0.2\na b\n")
    return folder


def _added(index: int, token: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": token, "special": True, **flags}


def wordpiece_json() -> dict[str, Any]:
    """Returns a `tokenizer.json` of BERT."""
    specials = WORDPIECE[:5]
    return {
        "added_tokens": [_added(index, token) for index, token in enumerate(specials)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: index for index, token in enumerate(WORDPIECE)},
        },
    }


def byte_pair_json() -> dict[str, Any]:
    """Returns a `tokenizer.json` of RoBERTa."""
    return {
        "added_tokens": [_added(0, "<s>")],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": {token: index for index, token in enumerate(BYTE_PAIRS)},
            "merges": [["a", "b"]],
        },
    }


def unigram_json() -> dict[str, Any]:
    """Returns a `tokenizer.json` of XLM-RoBERTa."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581a", "b", "\u2581", "a", "ab"]
    return {
        "added_tokens": [_added(len(pieces), "<mask>")],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
            ],
        },
        "model": {
            "type": "Unigram",
            "unk_id": 3,
            "vocab": [[piece, -float(index)] for index, piece in enumerate(pieces)],
        },
    }


def write_modules(
    folder: Path, *modules: tuple[str, dict[str, Any] | None], package: str = "models"
) -> None:
    """Writes what sentence-transformers puts beside a model.

    Args:
        folder: The model's.
        modules: Kind and `config.json` of each module behind the transformer; `None` for no file.
        package: Where in sentence-transformers the classes are.
    """
    kinds = [("Transformer", None), *modules]
    paths = ["", *(f"{index}_{kind}" for index, (kind, _) in enumerate(kinds[1:], 1))]
    entries = [
        {"name": name, "path": path, "type": f"sentence_transformers.{package}.{kind}"}
        for name, path, (kind, _) in zip("0123456789", paths, kinds, strict=False)
    ]
    write(folder, "modules.json", entries)
    for path, (_, config) in zip(paths, kinds, strict=True):
        if config is not None:
            write(folder, f"{path}/config.json", config)


def nested(folder: Path, target: Path, name: str = "0_Transformer") -> Path:
    """Copies a folder as versions of sentence-transformers before 1 wrote it.

    Args:
        folder: One whose model is in the folder itself.
        target: The new folder.
        name: That of the model's folder in it.
    """
    shutil.copytree(folder, target)
    (target / name).mkdir()
    for path in list(target.iterdir()):
        if path.is_file() and path.name not in (
            "modules.json",
            "config_sentence_transformers.json",
        ):
            path.rename(target / name / path.name)
    first, *others = json.loads((target / "modules.json").read_bytes())
    write(target, "modules.json", [{**first, "path": name}, *others])
    return target
