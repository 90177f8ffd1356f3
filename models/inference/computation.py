"""The compiled functions that a predictor runs."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models import backends
from models.backends import Outputs
from models.errors import UserError
from models.places import ROW_LENGTHS
from models.tasks.embedder import Embedder

if TYPE_CHECKING:
    import keras

    from models.backends.kernels import Product
    from models.tasks.classifier import Classifier


class Computation:
    """A compiled function from a micro-batch's features to float32 `[rows, width]`.

    What it returns may be computed still, on a GPU: `MicroBatch.own` waits and brings it back.

    Args:
        outputs: Computes the results from the features.
        variables: All weights that the results depend on.
        features: Names of the features.
        width: Numbers in a row's result.
        use_xla: Whether XLA compiles it, anew for every shape. Otherwise TensorFlow runs operation
            by operation, and any shape will do.
    """

    def __init__(
        self,
        outputs: Outputs,
        variables: "Sequence[keras.Variable]",
        features: Sequence[str],
        width: int,
        use_xla: bool = False,
    ) -> None:
        self.width = width
        self.compile_seconds: dict[tuple[int, int], float] = {}
        """Seconds of the first call of each shape `(lines, length)` with XLA: its compilation."""
        self._function = backends.current().compiled(outputs, variables, features, use_xla)
        self._use_xla = use_xla
        self._compiling = threading.Lock()

    def __call__(self, features: Mapping[str, np.ndarray]) -> Any:
        """Returns the results, a tensor `[rows, width]`."""
        if self._use_xla:
            lines, length = features["token_ids"].shape
            if (lines, length) not in self.compile_seconds:
                return self._compile((lines, length), features)
        return self._function(features)

    def _compile(self, shape: tuple[int, int], features: Mapping[str, np.ndarray]) -> Any:
        """Computes in a shape for the first time, one thread at a time: each compiles once."""
        with self._compiling:
            began = time.perf_counter()
            results = self._function(features)
            # A thread that waited finds the shape compiled.
            self.compile_seconds.setdefault(shape, time.perf_counter() - began)
            return results


def computation_of(
    model: "Classifier | Embedder",
    use_xla: bool = False,
    products: "Mapping[keras.layers.Dense, Product] | None" = None,
) -> Computation:
    """Returns the computation of a model's results: its classes' probabilities, numbers or vectors.

    Args:
        model: The model.
        use_xla: Whether XLA compiles it, for rows that share lines (`models.places`). Otherwise
            rows are padded.
        products: Computes the products of some of its dense layers.

    Raises:
        UserError: A classifier's scores are not probabilities.
    """
    from models.backends import kernels

    outputs = outputs_of(model)
    if isinstance(model, Embedder):
        features, width = model.features, model.dimensions
    else:
        features, width = list(model.input), len(model.labels)
    if use_xla:
        features = [ROW_LENGTHS if name == "padding_mask" else name for name in features]

    def computed(features: Mapping[str, Any]) -> Any:
        with kernels.using(replace(kernels.used(), products=products or {})):
            return outputs(features)

    return Computation(computed, model.variables, features, width, use_xla)


def outputs_of(model: "Classifier | Embedder") -> Outputs:
    """Returns what computes a model's results: its classes' probabilities, numbers or vectors.

    Raises:
        UserError: A classifier's scores are not probabilities.
    """
    return model.vectors if isinstance(model, Embedder) else _scores(model)


def _scores(classifier: "Classifier") -> Outputs:
    """Returns what computes each class's probability, or the numbers as they are."""
    import keras

    are_logits = classifier.activation == keras.activations.linear
    are_final = classifier.activation in (keras.activations.softmax, keras.activations.sigmoid)
    if not (classifier.gives_numbers or are_logits or are_final):
        name = keras.activations.serialize(classifier.activation)
        raise UserError(f"scores with the activation {name!r} are not class probabilities")

    def outputs(features: Mapping[str, Any]) -> Any:
        scores = keras.ops.cast(classifier.scores(features), "float32")
        if are_logits and not classifier.gives_numbers:
            return keras.ops.softmax(scores)
        return scores

    return outputs
