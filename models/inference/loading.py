"""Loading a model in what it is to compute in."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.inference.computation import Computation, computation_of, outputs_of
from models.inference.precision import Precision, fast_on_a_cpu, is_close, resolve

if TYPE_CHECKING:
    from models.classifier import Classifier
    from models.embedder import Embedder


def load(
    make: "Callable[[str], Classifier | Embedder]", precision: Precision, device: str
) -> "tuple[Classifier | Embedder, Computation | None, str]":
    """Loads a model, and compiles a computation that is not its own.

    Args:
        make: Makes the model, with its preprocessor, in a type of numbers.
        precision: What to compute in.
        device: `"CPU"` or `"GPU"`.

    Returns:
        The model, the computation (the model's own if `None`), and what is computed in.

    Raises:
        UserError: This machine cannot compute in it.
    """
    dtype = resolve(precision, device)
    if precision == "fast" and device == "CPU":
        return _close_enough(make, dtype)
    if dtype == "int8":
        model = make("float32")
        return model, _in_int8(model), dtype
    return make(dtype), None, dtype


def _close_enough(
    make: "Callable[[str], Classifier | Embedder]", dtype: str
) -> "tuple[Classifier | Embedder, Computation | None, str]":
    """Loads a model for a CPU, in float32 if its results are not close to that in what is faster.

    Args:
        make: Makes the model in a type of numbers.
        dtype: The fastest type here.
    """
    model = make("float32")
    exact = outputs_of(model)
    if dtype == "int8":
        computation = _in_int8(model)
        if is_close(model, exact, computation):
            return model, computation, dtype
        dtype = fast_on_a_cpu(with_int8=False)
    if dtype == "bfloat16":
        faster = make(dtype)
        computation = computation_of(faster)
        if is_close(model, exact, computation):
            return faster, computation, dtype
    return model, None, "float32"


def _in_int8(model: "Classifier | Embedder") -> Computation:
    from models.inference.int8.encoder import int8_products

    return computation_of(model, products=int8_products(model))
