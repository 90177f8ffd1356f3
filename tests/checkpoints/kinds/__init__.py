"""All kinds of checkpoints, one record each."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.kinds import backbones, classifiers, embedders, others, tokenizers

KINDS: list[Kind] = [
    *backbones.KINDS,
    *tokenizers.KINDS,
    *embedders.KINDS,
    *classifiers.KINDS,
    *others.KINDS,
]
