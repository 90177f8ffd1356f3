"""About how long a model takes: what work is cut by, the same on every machine of a kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

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


@dataclass(frozen=True)
class EncoderShape:
    """The size of an encoder.

    Attributes:
        num_layers: Encoder layers.
        hidden_dim: Width of a token's vector.
        num_heads: Attention heads of a layer.
        intermediate_dim: Width inside the feed-forward networks.
        vocabulary_size: Number of token ids.
    """

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int
    vocabulary_size: int = 30_522

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns the size of a backbone, given arguments of its constructor."""
        names = ("num_layers", "hidden_dim", "num_heads", "intermediate_dim", "vocabulary_size")
        return cls(**{name: config[name] for name in names})

    def operations(self, num_tokens: float, squares: float) -> float:
        """Returns the floating-point operations of all layers, two for each multiply-add.

        A token goes through four products of `hidden_dim` by `hidden_dim` (query, key, value and
        the output of attention) and two of `hidden_dim` by `intermediate_dim`. For a row of L
        tokens attention takes L × L scores of `hidden_dim` multiply-adds over all heads, and as
        many to weight the values. Nothing else is counted: no biases, normalizations, softmax or
        gelu, and no head.

        Args:
            num_tokens: Tokens of all rows, padding included if it is computed.
            squares: The sum of the squares of the rows' lengths.
        """
        width = self.hidden_dim
        token = 4 * width * width + 2 * width * self.intermediate_dim
        return 2 * self.num_layers * (num_tokens * token + squares * 2 * width)
