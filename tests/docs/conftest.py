"""What the commands of the pages find in the folder that they run in."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from tests.docs.blocks import ROOT, blocks_of
from tests.models.hubs.hub_servers import HuggingFaceServer

_REVIEWS = ("A fine day, and friendly people.", "Cold soup, and nobody to complain to.", "Lovely.")
_WIDTH, _POSITIONS = 384, 512


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as that of all-MiniLM-L6-v2, with one layer and random weights."""
    folder = tmp_path_factory.mktemp("hub") / "all-MiniLM-L6-v2"
    (folder / "1_Pooling").mkdir(parents=True)
    bundled = ROOT / "models/bundled/sentiment_tiny_en/assets/tokenizer/vocabulary.txt"
    vocabulary = bundled.read_text("utf-8")
    (folder / "vocab.txt").write_text(vocabulary, "utf-8")
    config = {
        "model_type": "bert",
        "vocab_size": len(vocabulary.splitlines()),
        "hidden_size": _WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 12,
        "intermediate_size": 4 * _WIDTH,
        "max_position_embeddings": _POSITIONS,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config))
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"word_embedding_dimension": _WIDTH, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    layer = "encoder.layer.0"
    shapes = {
        "embeddings.word_embeddings": (config["vocab_size"], _WIDTH),
        "embeddings.position_embeddings": (_POSITIONS, _WIDTH),
        "embeddings.token_type_embeddings": (2, _WIDTH),
    }
    dense = {
        **{f"{layer}.attention.self.{name}": _WIDTH for name in ("query", "key", "value")},
        f"{layer}.attention.output.dense": _WIDTH,
        f"{layer}.output.dense": 4 * _WIDTH,
        "pooler.dense": _WIDTH,
    }
    shapes |= {name: (_WIDTH, width) for name, width in dense.items()}
    shapes[f"{layer}.intermediate.dense"] = (4 * _WIDTH, _WIDTH)
    random = np.random.default_rng(0)
    arrays = {
        f"{name}.weight": random.standard_normal(shape, np.float32) / 20
        for name, shape in shapes.items()
    }
    norms = ["embeddings", f"{layer}.attention.output", f"{layer}.output"]
    arrays |= {f"{name}.LayerNorm.weight": np.ones(_WIDTH, np.float32) for name in norms}
    with_bias = {name: shape[0] for name, shape in shapes.items() if "embeddings." not in name}
    with_bias |= {f"{name}.LayerNorm": _WIDTH for name in norms}
    arrays |= {f"{name}.bias": np.zeros(width, np.float32) for name, width in with_bias.items()}
    save_file(arrays, folder / "model.safetensors")
    return folder


@pytest.fixture
def hub(embedder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HuggingFaceServer]:
    """A hub on loopback that has this folder as `sentence-transformers/all-MiniLM-L6-v2`."""
    files = {
        path.relative_to(embedder).as_posix(): path.read_bytes()
        for path in embedder.rglob("*")
        if path.is_file()
    }
    server = HuggingFaceServer(files, "sentence-transformers/all-MiniLM-L6-v2")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.stop()


@pytest.fixture
def place(
    tmp_path: Path, hub: HuggingFaceServer, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder: corpora by the names that the pages give them, examples/, and a hub.

    It is a user's, who has a clone: `python` has the packages, and the examples are beside.
    """
    folder = tmp_path / "place"
    (folder / "reviews").mkdir(parents=True)
    (folder / "news").mkdir()
    lines = "".join(f"{json.dumps({'body': text, 'text': text})}\n" for text in _REVIEWS)
    (folder / "reviews" / "a.jsonl").write_text(lines)
    (folder / "reviews" / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"text": _REVIEWS}), folder / "news" / "a.parquet")
    (folder / "news" / "a.jsonl").write_text(lines)
    (mails,) = (block for block in blocks_of("docs/index.md") if block.language == "csv")
    (folder / "mails.csv").write_text(mails.text)
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "all-MiniLM-L6-v2").symlink_to(embedder)
    monkeypatch.chdir(folder)
    return folder
