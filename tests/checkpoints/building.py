"""Steps that make the folder of a checkpoint: each writes or edits some of its files.

Models are those of transformers with random weights, saved by transformers; what publishers do to
the files otherwise is done by editing them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer

from tests.checkpoints import vocabularies

Step = Callable[[Path], None]

REMOVED = object()
"""The value of a field that is to go."""

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
_ROBERTA = {**_SIZES, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {**_SIZES, "max_position_embeddings": POSITIONS}),
    "roberta": ("Roberta", {**_ROBERTA, "layer_norm_eps": 1e-5}),
    "xlm-roberta": ("XLMRoberta", {**_ROBERTA, "layer_norm_eps": 1e-5}),
    "camembert": (
        "Camembert",
        {**_ROBERTA, "layer_norm_eps": 1e-5, "bos_token_id": 5, "eos_token_id": 6},
    ),
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

_WORDPIECE_SETTINGS = {
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "model_max_length": POSITIONS,
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "unk_token": "[UNK]",
}
_MARKUP_SETTINGS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
    "model_max_length": POSITIONS,
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
}


# Models


def model(
    model_type: str,
    task: str = "Model",
    tokenizer: str | None = None,
    dtype: torch.dtype | None = None,
    shard_size: str = "1GB",
    more_tokens: int = 0,
    **config: Any,
) -> Step:
    """Writes `config.json` and `model.safetensors`.

    Args:
        model_type: As in `config.json`.
        task: What the name of the model's class ends in.
        tokenizer: Whose vocabulary it has; the usual one of the family if `None`.
        dtype: The type that its weights are stored in.
        shard_size: How large a file of weights becomes at most.
        more_tokens: How many embeddings it has that no token belongs to.
        **config: Fields of the configuration.
    """

    def write(folder: Path) -> None:
        prefix, sizes = _CONFIGS[model_type]
        tokens = size_of(tokenizer or _USUAL[model_type]) + more_tokens
        fields = {"vocab_size": tokens, **sizes, **config}
        made = getattr(transformers, f"{prefix}{task}")(
            getattr(transformers, f"{prefix}Config")(**fields)
        )
        randomize(made)
        if dtype is not None:
            made = made.to(dtype)
        made.save_pretrained(folder, max_shard_size=shard_size)

    return write


def randomize(module: torch.nn.Module) -> None:
    """Moves every weight, biases and norms too, so that none can be left out unseen."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1)


def other_model(prefix: str, **config: Any) -> Step:
    """Writes a model of another family of transformers."""

    def write(folder: Path) -> None:
        made = getattr(transformers, f"{prefix}Config")(vocab_size=size_of("uncased"), **config)
        getattr(transformers, f"{prefix}Model")(made).save_pretrained(folder)

    return write


# Weights


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Step:
    """Changes names or values of the stored weights."""

    def write(folder: Path) -> None:
        path = folder / "model.safetensors"
        stored = safetensors.torch.load_file(path)
        safetensors.torch.save_file(change(stored), path, {"format": "pt"})

    return write


def named(old: str, new: str) -> Step:
    """Replaces a part of the names of weights."""
    return weights(lambda stored: {name.replace(old, new): v for name, v in stored.items()})


def without_weights(part: str) -> Step:
    """Removes the weights with a part in their names."""
    return weights(lambda stored: {name: v for name, v in stored.items() if part not in name})


def pickled(folder: Path) -> None:
    """Stores the weights as older checkpoints do, in a pickle."""
    path = folder / "model.safetensors"
    torch.save(safetensors.torch.load_file(path), folder / "pytorch_model.bin")
    path.unlink()


# Tokenizers


def _wordpiece(tokens: tuple[str, ...], lowercase: bool) -> dict[str, str]:
    return {
        "tokenizer.json": vocabularies.bert_json(tokens, lowercase),
        "vocab.txt": vocabularies.vocabulary_lines(tokens),
        "tokenizer_config.json": json.dumps(
            {
                **_WORDPIECE_SETTINGS,
                "do_lower_case": lowercase,
                "tokenizer_class": "BertTokenizer",
            }
        ),
    }


def _roberta() -> dict[str, str]:
    ids, merges = vocabularies.byte_pairs()
    return {
        "tokenizer.json": vocabularies.roberta_json(),
        "vocab.json": json.dumps(ids, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges),
        "tokenizer_config.json": _settings("Roberta", add_prefix_space=False),
    }


def _settings(tokenizer_class: str, **others: Any) -> str:
    kind = {"tokenizer_class": f"{tokenizer_class}Tokenizer"}
    return json.dumps({**_MARKUP_SETTINGS, **others, **kind})


_TOKENIZERS: dict[str, Callable[[], dict[str, str]]] = {
    "uncased": lambda: _wordpiece(vocabularies.wordpiece(True), True),
    "cased": lambda: _wordpiece(vocabularies.wordpiece(False), False),
    "accents": lambda: _wordpiece(vocabularies.wordpiece(True, False), True),
    "characters": lambda: _wordpiece(vocabularies.characters(), True),
    "byte_pairs": _roberta,
    "pieces": lambda: {
        "tokenizer.json": vocabularies.xlm_roberta_json(),
        "tokenizer_config.json": _settings("XLMRoberta"),
    },
    "camembert": lambda: {
        "tokenizer.json": vocabularies.camembert_json(),
        "tokenizer_config.json": _settings(
            "Camembert", additional_special_tokens=["<s>NOTUSED", "</s>NOTUSED"]
        ),
    },
    "herbert": lambda: {
        "tokenizer.json": vocabularies.herbert_json(),
        "tokenizer_config.json": _settings("Herbert"),
    },
}
"""The files of each tokenizer, as they are published."""

_USUAL = {
    "bert": "uncased",
    "distilbert": "uncased",
    "roberta": "byte_pairs",
    "xlm-roberta": "pieces",
    "camembert": "camembert",
}


def size_of(tokenizer: str) -> int:
    """Returns how many ids a tokenizer has."""
    return vocabularies.size_of(_TOKENIZERS[tokenizer]()["tokenizer.json"])


def tokenizer(name: str, *files: str) -> Step:
    """Writes the files of a tokenizer.

    Args:
        name: Which one.
        *files: Only these; all if none are named. `sentencepiece.bpe.model` is one of those of
            SentencePiece.
    """

    def write(folder: Path) -> None:
        for file, content in _TOKENIZERS[name]().items():
            if not files or file in files:
                (folder / file).write_text(content, "utf-8", newline="")
        if name in ("pieces", "camembert") and (not files or "sentencepiece.bpe.model" in files):
            (folder / "sentencepiece.bpe.model").write_bytes(vocabularies.sentence_piece_model())

    return write


# Any file


def put(file: str, **values: Any) -> Step:
    """Sets fields of a JSON file, which is made if there is none; `REMOVED` takes one away.

    Args:
        file: Path in the folder.
        **values: Each by its path in the file: two underscores are between the names of fields.
    """

    def write(folder: Path) -> None:
        path = folder / file
        content = json.loads(path.read_text("utf-8")) if path.exists() else {}
        for name, value in values.items():
            *parts, last = name.split("__")
            holder = content
            for part in parts:
                holder = holder[part]
            if value is REMOVED:
                holder.pop(last, None)
            else:
                holder[last] = value
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")

    return write


def change(file: str, edit: Callable[[Any], Any]) -> Step:
    """Replaces the content of a JSON file by what a function makes of it."""

    def write(folder: Path) -> None:
        path = folder / file
        content = edit(json.loads(path.read_text("utf-8")))
        path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")

    return write


def text(file: str, content: str | Callable[[str], str]) -> Step:
    """Writes a file of text, or replaces its content by what a function makes of it."""

    def write(folder: Path) -> None:
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        made = content if isinstance(content, str) else content(path.read_bytes().decode())
        path.write_bytes(made.encode())

    return write


def remove(*files: str) -> Step:
    """Removes files."""

    def write(folder: Path) -> None:
        for file in files:
            (folder / file).unlink()

    return write


# sentence-transformers

_POOLING_FIELDS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def modules(*kinds: str, at: str = "") -> Step:
    """Writes `modules.json`, as versions before 6 do.

    Args:
        *kinds: The names of the modules, the model first.
        at: Where the model is: in the folder itself, or in one within it.
    """

    def write(folder: Path) -> None:
        listed = []
        for index, kind in enumerate(kinds):
            path = f"{index}_{kind}" if index else at
            module = f"sentence_transformers.models.{kind}"
            listed.append({"idx": index, "name": str(index), "path": path, "type": module})
        (folder / "modules.json").write_text(json.dumps(listed))

    return write


def pooling(*modes: str, width: int = WIDTH) -> Step:
    """Writes the settings of the pooling, as versions before 6 do."""
    chosen = {field: mode in modes for mode, field in _POOLING_FIELDS.items()}
    return put("1_Pooling/config.json", word_embedding_dimension=width, **chosen)


def limit(length: int | None, lowers: bool = False, kind: str = "bert") -> Step:
    """Writes the settings of the model of sentence-transformers."""
    return put(f"sentence_{kind}_config.json", max_seq_length=length, do_lower_case=lowers)


def moved(to: str) -> Step:
    """Moves all files that are there into a folder within the folder."""

    def write(folder: Path) -> None:
        inside = folder / to
        files = list(folder.iterdir())
        inside.mkdir()
        for path in files:
            path.rename(inside / path.name)

    return write


def embedder(mode: str = "mean", normalize: bool = False, length: int | None = 128) -> Step:
    """Writes all files of a usual model of sentence-transformers."""
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    return together(modules(*kinds), pooling(mode), limit(length))


def dense(outputs: int, activation: str, index: int = 2, bias: bool = True) -> Step:
    """Writes the folder of a dense layer after the pooling."""

    def write(folder: Path) -> None:
        inside = folder / f"{index}_Dense"
        inside.mkdir()
        layer = torch.nn.Linear(WIDTH, outputs, bias=bias)
        randomize(layer)
        stored = {f"linear.{name}": value for name, value in layer.state_dict().items()}
        safetensors.torch.save_file(stored, inside / "model.safetensors")
        fields = {"in_features": WIDTH, "out_features": outputs, "bias": bias}
        fields["activation_function"] = f"torch.nn.modules.{activation}"
        (inside / "config.json").write_text(json.dumps(fields))

    return write


def saved_again(folder: Path) -> None:
    """Lets sentence-transformers save what it reads, in today's layout."""
    loaded = SentenceTransformer(str(folder), device="cpu")
    _clear(folder)
    loaded.save(str(folder), create_model_card=False)


def cross_encoder_saved_again(folder: Path) -> None:
    """Lets sentence-transformers save a cross-encoder that it reads, in today's layout."""
    loaded = CrossEncoder(str(folder), device="cpu")
    _clear(folder)
    loaded.save_pretrained(str(folder))


def _clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def together(*steps: Step) -> Step:
    """Returns one step for several."""

    def write(folder: Path) -> None:
        for step in steps:
            step(folder)

    return write
