"""Random models of transformers, saved by transformers and sentence-transformers themselves."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer

WIDTH = 32
POSITIONS = 512
_WIDER = 64

_SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": _WIDER,
    "initializer_range": 0.2,
}
_ROBERTA = {
    **_SIZES,
    "max_position_embeddings": POSITIONS + 2,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {**_SIZES, "max_position_embeddings": POSITIONS}),
    "roberta": ("Roberta", _ROBERTA),
    "xlm-roberta": ("XLMRoberta", _ROBERTA),
    "camembert": ("Camembert", {**_ROBERTA, "bos_token_id": 5, "eos_token_id": 6}),
    "distilbert": (
        "DistilBert",
        {
            "dim": WIDTH,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": _WIDER,
            "max_position_embeddings": POSITIONS,
            "initializer_range": 0.2,
        },
    ),
}


def save_model(
    folder: Path, model_type: str, task: str, dtype: str, shard_size: str, config: dict[str, Any]
) -> None:
    """Writes `config.json` and the weights of a model of one of the families."""
    prefix, sizes = _CONFIGS[model_type]
    torch.manual_seed(0)
    fields = getattr(transformers, f"{prefix}Config")(**{**sizes, **config})
    model = getattr(transformers, f"{prefix}{task}")(fields)
    randomize(model)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard_size)


def randomize(module: torch.nn.Module) -> None:
    """Moves every weight, biases and norms too, so that none can be left out unseen."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1)


def save_dense(folder: Path, inputs: int, outputs: int, activation: str, bias: bool) -> None:
    """Writes the folder of a dense layer of sentence-transformers."""
    folder.mkdir()
    torch.manual_seed(0)
    layer = torch.nn.Linear(inputs, outputs, bias=bias)
    randomize(layer)
    stored = {f"linear.{name}": value for name, value in layer.state_dict().items()}
    safetensors.torch.save_file(stored, folder / "model.safetensors")
    fields = {"in_features": inputs, "out_features": outputs, "bias": bias}
    fields["activation_function"] = f"torch.nn.modules.{activation}"
    (folder / "config.json").write_text(json.dumps(fields))


def pickle_weights(folder: Path) -> None:
    """Stores the weights in a pickle, as older checkpoints do."""
    path = folder / "model.safetensors"
    torch.save(safetensors.torch.load_file(path), folder / "pytorch_model.bin")
    path.unlink()


def save_again(folder: Path, is_cross_encoder: bool) -> None:
    """Lets sentence-transformers save what it reads."""
    kind = CrossEncoder if is_cross_encoder else SentenceTransformer
    loaded = kind(str(folder), device="cpu")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    loaded.save_pretrained(str(folder), create_model_card=False)
