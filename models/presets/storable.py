"""What Keras Hub's format can hold, in which presets are saved; what it cannot is refused."""

from models.errors import UserError
from models.families.record import Family, Packing, TokenizerKind
from models.presets.embedding import EmbeddingSettings
from models.presets.heads import embedder

EMBEDDER_FAMILIES = ("bert", "xlm_roberta")
"""The families that have a TextEmbedder in Keras Hub."""


def check_holds(family: Family, tokenizer: TokenizerKind, packing: Packing) -> None:
    """Raises `UserError` if Keras Hub's format cannot hold a tokenizer before a backbone.

    Args:
        family: The backbone's family.
        tokenizer: The tokenizer's kind.
        packing: Where special tokens go.
    """
    if tokenizer == family.tokenizer and packing == family.packing:
        return
    others = "the special tokens that stand around this model's texts"
    raise UserError(
        "Keras Hub's format, in which presets are saved, has no place for "
        f"{others if tokenizer == family.tokenizer else 'a tokenizer like this model has'}: before "
        f"a {family.prefix}Backbone it knows a {family.prefix}Tokenizer alone; fine-tune such a "
        "model with sentence-transformers or transformers, and use the folder that they save"
    )


def check_holds_embedder(
    family: Family, settings: EmbeddingSettings, dimensions: int, hidden_dim: int
) -> None:
    """Raises `UserError` if Keras Hub's class cannot hold what makes vectors of tokens.

    Args:
        family: The backbone's family.
        settings: How token vectors become one.
        dimensions: Numbers in a vector.
        hidden_dim: Width of a token's vector.
    """
    if family.name not in EMBEDDER_FAMILIES:
        problem = f"of the families {' and '.join(EMBEDDER_FAMILIES)}, not of {family.name}"
    elif settings.pooling not in embedder.POOLINGS:
        poolings, own = ", ".join(embedder.POOLINGS), "+".join(settings.poolings)
        problem = f"with the poolings {poolings}, not {own!r}"
    elif settings.modules or settings.token_modules:
        modules = ", ".join(map(str, (*settings.token_modules, *settings.modules)))
        problem = f"that pool and normalize, and have no further modules such as its {modules}"
    elif dimensions != hidden_dim:
        problem = f"whose vectors have all {hidden_dim} dimensions, not {dimensions}"
    elif settings.prefix:
        problem = f"that read texts alone, without {settings.prefix!r:.60} before them"
    else:
        return
    raise UserError(
        f"this embedder cannot be saved: Keras Hub has only embedders {problem}; save its "
        "backbone and its preprocessor, and give the rest where they are used"
    )
