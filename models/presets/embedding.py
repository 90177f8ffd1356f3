"""How a preset's texts become vectors: what is read of it before any weight is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import pyarrow as pa

Pooling = Literal[
    "cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooled"
]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
"""How the vectors of a text's tokens become one.

`cls` is that of the first token, `lasttoken` that of the last, `max` the maximum of each dimension,
`mean` the mean and `mean_sqrt_len_tokens` the sum divided by the square root of their number.
`weightedmean` counts the first token once, the second twice and so on. `pooled` is that of the
first token after the backbone's pooler.
"""

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
"""How like two vectors are: cosine, inner product, or a distance, which is counted as negative."""


@dataclass(frozen=True)
class Dense:
    """A dense layer behind the backbone.

    Attributes:
        name: Its folder in the preset, and the beginning of its weights' names.
        inputs: Width of the vectors that it takes.
        outputs: Width of those that it makes.
        activation: The name of one of Keras's activations.
        has_bias: Whether it has a bias.
        is_residual: Whether what it takes is added to what it makes; if the widths differ, after
            a projection without bias.
    """

    name: str
    inputs: int
    outputs: int
    activation: str = "tanh"
    has_bias: bool = True
    is_residual: bool = False

    def __str__(self) -> str:
        residual = ", residual" if self.is_residual else ""
        return f"Dense {self.inputs}→{self.outputs} {self.activation}{residual}"

    @property
    def projects(self) -> bool:
        """Whether the residual needs a projection."""
        return self.is_residual and self.inputs != self.outputs


@dataclass(frozen=True)
class LayerNorm:
    """A layer normalization behind the backbone.

    Attributes:
        name: Its folder in the preset, and the beginning of its weights' names.
        width: Width of the vectors.
    """

    name: str
    width: int

    def __str__(self) -> str:
        return "LayerNorm"

    @property
    def inputs(self) -> int:
        """Width of the vectors that it takes."""
        return self.width

    @property
    def outputs(self) -> int:
        """Width of the vectors that it makes."""
        return self.width


@dataclass(frozen=True)
class Normalize:
    """The division of vectors by their length, where something follows it."""

    def __str__(self) -> str:
        return "Normalize"


Module = Dense | LayerNorm | Normalize
"""A step between the backbone's token vectors and the vector of a text."""


@dataclass(frozen=True)
class EmbeddingSettings:
    """How a preset's texts become vectors.

    The steps in their order: `prefix`, the backbone, `token_modules`, pooling,
    `modules`, the first `dimensions`, normalization.

    Attributes:
        pooling: One of `POOLINGS`, or several of them, whose vectors follow one another.
        normalize: Whether vectors are divided by their length in the end.
        modules: What a pooled vector goes through before that. With any, no other format than
            that of sentence-transformers can hold the embedder.
        token_modules: What the vectors of the tokens go through before pooling.
        dimensions: How many dimensions of a vector the preset keeps, from its start; all if `None`.
        pools_prefix: Whether the tokens of `prefix` are pooled like those of the text.
        prefix: What the backbone reads before every text.
        pairs: Whether pairs of texts can become vectors too.
        similarity: By what the vectors are compared.
    """

    pooling: Pooling | tuple[Pooling, ...] = "mean"
    normalize: bool = False
    modules: tuple[Module, ...] = ()
    token_modules: tuple[Module, ...] = ()
    dimensions: int | None = None
    pools_prefix: bool = True
    prefix: str = ""
    pairs: bool = True
    similarity: Similarity = "cosine"

    @property
    def facts(self) -> dict[str, Any]:
        """What a result says of them, for people and so that queries become vectors likewise."""
        before = [f"{module} on tokens" for module in self.token_modules]
        return {
            "pooling": "+".join(self.poolings),
            "normalize": self.normalize,
            "prefix": self.prefix,
            "modules": [*before, *map(str, self.modules)],
        }

    @property
    def poolings(self) -> tuple[Pooling, ...]:
        """The poolings in the order of their vectors."""
        return self.pooling if isinstance(self.pooling, tuple) else (self.pooling,)

    def prepare(
        self, segments: "Sequence[pa.Array | Sequence[str]]"
    ) -> "list[pa.Array | Sequence[str]]":
        """Returns what is tokenized for rows.

        Args:
            segments: Strings `[rows]`, none of them null: single texts, or the first and second
                texts of pairs, of which the first get the prefix.
        """
        first, *others = segments
        if not self.prefix:
            return [first, *others]
        texts = first.to_pylist() if hasattr(first, "to_pylist") else first
        return [[f"{self.prefix}{text}" for text in texts], *others]

    def width(self, hidden_dim: int) -> int:
        """Returns the width of a vector before it is cut.

        Args:
            hidden_dim: Width of a token's vector.

        Raises:
            ValueError: A module takes vectors of another width than it is given.
        """
        width = _through(self.token_modules, hidden_dim)
        return _through(self.modules, width * len(self.poolings))


def _through(modules: tuple[Module, ...], width: int) -> int:
    for module in modules:
        if isinstance(module, Normalize):
            continue
        if module.inputs != width:
            raise ValueError(f"{module.name} takes vectors of {module.inputs} numbers, not {width}")
        width = module.outputs
    return width


@dataclass(frozen=True)
class Prompts:
    """What a preset says that may stand before its texts.

    Attributes:
        texts: Prompts by name.
        default: The one that stands before texts if nobody asks for another.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
