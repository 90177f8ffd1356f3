"""Loading a model in what it is to compute in."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.inference.computation import Computation, computation_of, outputs_of
from models.inference.precision import Precision, choices, is_close

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
    *to_judge, last = choices(precision, device)
    if not to_judge:
        model = make("float32" if last == "int8" else last)
        return model, _in_int8(model) if last == "int8" else None, last
    exact = make("float32")
    for dtype in to_judge:
        model = exact if dtype == "int8" else make(dtype)
        computation = _in_int8(model) if dtype == "int8" else computation_of(model)
        if is_close(exact, outputs_of(exact), computation):
            return model, computation, dtype
        del model, computation  # before there is memory for the next
    return exact, None, last


def _in_int8(model: "Classifier | Embedder") -> Computation:
    from models.inference.int8.encoder import int8_products

    return computation_of(model, products=int8_products(model))
