"""The compiled functions that a predictor runs."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models import backends
from models.backends import Outputs
from models.embedder import Embedder
from models.errors import UserError
from models.places import ROW_LENGTHS

if TYPE_CHECKING:
    import keras

    from models.classifier import Classifier


class Computation:
    """A compiled function from a micro-batch's features to float32 `[rows, width]`.

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

    def __call__(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the results, `[rows, width]`."""
        if self._use_xla:
            lines, length = features["token_ids"].shape
            self._compile((lines, length), features)
        return self._function(features)

    def _compile(self, shape: tuple[int, int], features: Mapping[str, np.ndarray]) -> None:
        """Runs a shape for the first time; one thread at a time, so that each compiles once."""
        if shape in self.compile_seconds:
            return
        with self._compiling:
            if shape not in self.compile_seconds:
                began = time.perf_counter()
                self._function(features)
                self.compile_seconds[shape] = time.perf_counter() - began


def computation_of(model: "Classifier | Embedder", use_xla: bool = False) -> Computation:
    """Returns the computation of a model's results: its classes' probabilities, numbers or vectors.

    Args:
        model: The model.
        use_xla: Whether XLA compiles it, for rows that share lines (`models.places`). Otherwise
            rows are padded.

    Raises:
        UserError: A classifier's scores are not probabilities.
    """
    if isinstance(model, Embedder):
        features = _features(model.features, use_xla)
        return Computation(model.vectors, model.variables, features, model.dimensions, use_xla)
    return _classification(model, use_xla)


def _features(names: Sequence[str], use_xla: bool) -> list[str]:
    return [ROW_LENGTHS if use_xla and name == "padding_mask" else name for name in names]


def _classification(classifier: "Classifier", use_xla: bool) -> Computation:
    """Returns the computation of each class's probability, or of the numbers as they are."""
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

    features = _features(list(classifier.input), use_xla)
    return Computation(outputs, classifier.variables, features, len(classifier.labels), use_xla)
