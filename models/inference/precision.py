"""What a model computes in: types of numbers, and what this machine does with them."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from models import backends
from models.backends import processor
from models.errors import Advice, UserError
from models.inference.int8.texts import TEXTS, encoded
from models.tasks.embedder import NUM_SKIPPED, Embedder

if TYPE_CHECKING:
    from models.backends import Outputs
    from models.inference.computation import Computation
    from models.tasks.classifier import Classifier

Precision = Literal["auto", "fast", "float32", "bfloat16", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What may be asked for: a type of numbers, `auto` for half precision on a GPU and else float32, or
`fast` for the fastest that is close enough (`is_close`)."""

COSINE = 0.999
"""How close vectors are to those of float32 in what `fast` may choose, in the mean."""

CHANGE = 0.005
"""How far a class's probability may be from that of float32, in the mean: about the share of labels
that become others, were probabilities spread evenly."""


def choices(precision: Precision, device: str) -> tuple[str, ...]:
    """Returns the types of numbers to compute in: the first that is close enough, or else the last.

    `auto` is half precision on a GPU, float32 on a CPU. `fast` is half precision on a GPU, and on a
    CPU what this machine has instructions for of int8 and bfloat16, and float32.

    Args:
        precision: What was asked for.
        device: `"CPU"` or `"GPU"`.

    Returns:
        The types, the fastest first. All but the last are to be judged by `is_close`.

    Raises:
        UserError: There is no such precision, or this machine cannot compute in it.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision == "int8" and (problem := int8_problem(device)):
        others = "bfloat16, float32 or fast" if device == "CPU" else "float16, bfloat16 or auto"
        raise UserError(f"precision int8: {problem}; choose {others}")
    if precision == "float16" and device == "CPU" and not processor.has_float16_products():
        faster = "bfloat16 or float32" if processor.has_bfloat16_products() else "float32"
        warnings.warn(
            f"this processor has no instructions for float16, so that {faster} is faster",
            Advice,
            stacklevel=4,  # who called `Predictor.from_preset`
        )
    if precision not in ("auto", "fast"):
        return (precision,)
    if device == "GPU":
        return ("float16",)
    return (*(_fast_on_a_cpu() if precision == "fast" else ()), "float32")


def _fast_on_a_cpu() -> Iterator[str]:
    """Yields what this machine computes faster than float32, the fastest first."""
    if int8_problem("CPU") is None:
        yield "int8"
    if backends.name() == "tensorflow" and processor.has_bfloat16_products():
        yield "bfloat16"


def int8_problem(device: str) -> str | None:
    """Returns why nothing is computed in int8 here, a sentence; `None` if it is.

    Args:
        device: `"CPU"` or `"GPU"`.
    """
    if device != "CPU":
        return "it is for processors, and there is a GPU here"
    if backends.name() != "tensorflow":
        return f"it is TensorFlow that computes in it, and the backend is {backends.name()}"
    if not processor.has_int8_products():
        return "this processor has no instructions for it (AVX-512 VNNI or AMX)"
    from models.inference.int8 import kernels

    return None if kernels.work() else "this TensorFlow has no kernels for it"


def is_close(model: "Classifier | Embedder", exact: "Outputs", found: "Computation") -> bool:
    """Returns whether a computation is close to the model's own, for texts of many kinds.

    Vectors need a mean cosine of `COSINE`. Each number is judged as the vector that it makes of all
    texts, from its mean: the squared difference is at most what `COSINE` allows. Of classes, the
    one of each text that differs most may do so by `CHANGE` in the mean.

    Args:
        model: A model in float32.
        exact: Computes its results.
        found: Computes them in something else.
    """
    import keras

    preprocessor = model.preprocessor
    assert preprocessor is not None
    tokens = encoded(model, TEXTS[1::2])
    rows = np.arange(len(tokens))
    width = int(tokens.lengths.max())
    features = tokens.pad(rows, width, preprocessor.tokenizer.pad_token_id)
    if isinstance(model, Embedder) and model.num_skipped:
        features[NUM_SKIPPED] = np.full((len(rows), 1), model.num_skipped, np.int32)
    # One call does not pay for a graph.
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in features.items()}
    expected, others = keras.ops.convert_to_numpy(exact(tensors)), np.asarray(found(features))
    if isinstance(model, Embedder):
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(others, axis=1)
        cosines = (expected * others).sum(axis=1) / np.maximum(lengths, 1e-12)
        return bool(cosines.mean() >= COSINE)
    changes = np.abs(expected - others)
    if model.gives_numbers:
        allowed = 2 * (1 - COSINE) * expected.var(axis=0)
        return bool((np.square(changes).mean(axis=0) <= allowed).all())
    return bool(changes.max(axis=1).mean() <= CHANGE)
