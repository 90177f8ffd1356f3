"""Small presets at hubs, and processes that fetch them."""

import subprocess
import sys
from pathlib import Path

from tests.models.hubs.hub_servers import HuggingFaceServer

ROOT = Path(__file__).parents[3]
HF = "hf://textbeam/tiny"
KAGGLE = "kaggle://keras/bert/keras/tiny"

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 800,
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "1_Pooling/config.json": b"{}",
}
KERAS_FILES = {
    "config.json": b'{"class_name": "BertBackbone"}',
    "assets/tokenizer/vocabulary.txt": b"[PAD]\n[UNK]\n",
    "metadata.json": b"{}",
    "model.weights.h5": bytes(range(256)) * 800,
    "tokenizer.json": b"{}",
}
UNWANTED = {
    "pytorch_model.bin": b"pickle",
    "assets/run.py": b"import os",
    "README.md": b"# tiny",
    "onnx/model.onnx": b"onnx",
}


def put(uri: str, files: dict[str, bytes]) -> None:
    from google.cloud import storage

    name, _, path = uri.removeprefix("gs://").partition("/")
    for file, content in files.items():
        storage.Client().bucket(name).blob(f"{path}/{file}").upload_from_string(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fetch_in_a_process(uri: str) -> subprocess.Popen[str]:
    code = "import sys; from models.hubs.store import fetch; print(fetch(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, uri],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def entries(cache: Path) -> list[str]:
    """Names of what is published in the cache."""
    folders = [path for path in cache.glob("presets/*") if path.is_dir()]
    return [path.name for path in folders if path.suffix not in (".partial", ".old")]


def hub_files(hub: HuggingFaceServer) -> dict[str, bytes]:
    return {name: content for name, content in hub.files.items() if name not in UNWANTED}
