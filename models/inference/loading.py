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
    if dtype == "int8":
        model = make("float32")
        computation = _in_int8(model)
        if precision != "fast" or is_close(model, outputs_of(model), computation):
            return model, computation, dtype
        dtype = fast_on_a_cpu(with_int8=False)
    model = make(dtype)
    return model, None, dtype


def _in_int8(model: "Classifier | Embedder") -> Computation:
    from models.inference.int8.encoder import int8_products

    return computation_of(model, products=int8_products(model))
