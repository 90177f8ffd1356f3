"""What transformers and sentence-transformers make of a folder.

Stands alone, so that another interpreter with other versions of the two runs it too:

    PYTHON tests/checkpoints/reference.py JOB.json RESULTS.npz
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import sentencepiece_model_pb2_new

# That of sentencepiece 0.2.3 is made for a newer protobuf than TensorFlow's.
sentencepiece.sentencepiece_model_pb2 = sentencepiece_model_pb2_new

torch.set_num_threads(1)  # the models are too small for more to help

Pairs = Sequence[tuple[str, str]]


def vectors(folder: str, texts: Sequence[str], _: Pairs) -> np.ndarray:
    """Returns the vectors of texts."""
    return SentenceTransformer(folder, device="cpu").float().encode(list(texts))


def scores(folder: str, texts: Sequence[str], _: Pairs) -> np.ndarray:
    """Returns the scores of texts as the pipeline of transformers gives them."""
    return _classified(folder, list(texts))


def pair_scores(folder: str, _: Sequence[str], pairs: Pairs) -> np.ndarray:
    """Returns the scores of pairs as the pipeline of transformers gives them."""
    return _classified(folder, [first for first, _ in pairs], [second for _, second in pairs])


def ranks(folder: str, _: Sequence[str], pairs: Pairs) -> np.ndarray:
    """Returns the scores of pairs as a cross-encoder of sentence-transformers gives them."""
    found = CrossEncoder(folder, device="cpu").float().predict([list(pair) for pair in pairs])
    return found.reshape(len(pairs), -1)


def _classified(folder: str, *texts: list[str]) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).float().eval()
    config = model.config
    # Those of RoBERTa count two positions that no token has.
    positions = config.max_position_embeddings
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= config.pad_token_id + 1
    length = min(tokenizer.model_max_length, positions)
    inputs = tokenizer(
        *texts, truncation=True, max_length=length, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits
    if config.problem_type == "regression":
        return logits.numpy()
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return torch.sigmoid(logits).numpy()
    return torch.softmax(logits, -1).numpy()


READINGS: dict[str, Callable[[str, Sequence[str], Pairs], np.ndarray]] = {
    "embed": vectors,
    "classify": scores,
    "classify_pairs": pair_scores,
    "rank": ranks,
}
"""What is read from a checkpoint, by name."""


def read(folder: str, reading: str, texts: Sequence[str], pairs: Pairs) -> np.ndarray | str:
    """Returns the numbers, or why there are none."""
    try:
        return READINGS[reading](folder, texts, pairs).astype(np.float32)
    except Exception as error:  # whatever it may be, it is the outcome
        return f"{type(error).__name__}: {error}".partition("\n")[0]


def main(job: str, results: str) -> None:
    """Reads the folders that a file names, and writes what was found."""
    content: dict[str, Any] = json.loads(Path(job).read_text("utf-8"))
    arrays: dict[str, np.ndarray] = {}
    for folder, reading in content["folders"]:
        found = read(folder, reading, content["texts"], content["pairs"])
        arrays[f"{folder}\t{reading}"] = np.asarray(found)
    np.savez(results, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
