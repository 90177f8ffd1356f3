"""Loading a model in what it is to compute in."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from models.errors import Advice
from models.inference.computation import Computation, computation_of, outputs_of
from models.inference.precision import Precision, choices, is_close

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier
    from models.tasks.embedder import Embedder


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
    if last == "int8":
        model = make("float32")
        computation = _in_int8(model)
        if not is_close(model, outputs_of(model), computation):
            warnings.warn(
                "this model's results in int8 are farther from those in float32 than fast would "
                "allow",
                Advice,
                stacklevel=3,  # who called `Predictor.from_preset`
            )
        return model, computation, last
    if not to_judge:
        return make(last), None, last
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
