"""About how long a model takes: what work is cut by, the same on every machine of a kind."""

import math
from typing import TYPE_CHECKING

from models.inference import cores

if TYPE_CHECKING:
    from models.backbone import Backbone

# Floating-point operations a second that are usual: of one core (benchmarks/compute.py has those of
# a machine), and of a GPU in half precision.
_USUAL_SPEED_OF_A_CORE = 100e9
_USUAL_SPEED_OF_A_GPU = 20e12


def seconds_per_token(backbone: "Backbone", device: str) -> float:
    """Returns the seconds that the products with a backbone's weights take for one token.

    Args:
        backbone: The backbone; embeddings are looked up, and cost nothing.
        device: `"CPU"` or `"GPU"`.
    """
    weights = (w for w in backbone.weights if "embedding" not in w.path)
    products = 2 * sum(math.prod(weight.shape) for weight in weights)
    speed = _USUAL_SPEED_OF_A_GPU
    if device == "CPU":
        speed = _USUAL_SPEED_OF_A_CORE * cores.own()
    return products / speed
