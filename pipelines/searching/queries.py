"""Queries become vectors as the rows of a result did."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models import backends
from models.backends import importing
from models.errors import PresetError, UserError
from models.presets.embedding import Similarity
from pipelines.fetching import open_named
from transforms.vectors.stored import StoredVectors

if TYPE_CHECKING:
    from models.presets.preset import Preset

_QUERY = "query"


@dataclass(frozen=True)
class AskedQueries:
    """What is searched for.

    Attributes:
        preset: The model that made the rows' vectors.
        prefix: What stands before every query.
        prompt: The preset's name for it, if it has one.
        similarity: By what rows are ordered.
        arguments: Those of `Predictor.from_preset`.
    """

    preset: "Preset"
    prefix: str
    prompt: str | None
    similarity: Similarity
    arguments: dict[str, Any]

    # What Keras imports wherever it is installed, for what is not used here.
    @importing.without("torch", "sklearn")
    def embed(self, queries: Sequence[str]) -> np.ndarray:
        """Returns the vectors of queries, float32 `[queries, dimensions]`.

        Raises:
            UserError: This machine cannot compute as the rows were.
        """
        backends.choose(backends.name())
        from models.inference.predictor import Predictor

        return Predictor.from_preset(self.preset, "embed", **self.arguments)(list(queries))


def ask_queries(
    stored: StoredVectors, preset_name: str | None, prompt: str | None, prefix: str | None
) -> AskedQueries:
    """Finds out how queries become vectors that can be compared with those of a result.

    That is as its rows did, but for what stands before them: without `prompt` and `prefix`, what
    `encode_query` of sentence-transformers puts there, the preset's prompt `query`, or nothing.

    Args:
        stored: The result.
        preset_name: Where the preset is now; where it was if `None`.
        prompt: Which of the preset's prompts to put before queries.
        prefix: The text to put there instead.

    Raises:
        UserError: The preset is gone or another, or has no such prompt.
    """
    from models.tasks.embedder import resolve_embedding

    model = stored.manifest["model"]
    preset = _open(stored, preset_name or model["preset"], preset_name is None)
    if preset.digest != model["weights"]:
        raise UserError(
            f"preset {preset.name!r} is not the one that made {stored.folder.path}: its digest is "
            f"{preset.digest[:19]}…, and that of {model['preset']!r} was {model['weights'][:19]}…; "
            "give the same with --preset, or embed the texts anew"
        )
    if prompt is None and prefix is None:
        if _QUERY in preset.prompts.texts:
            prompt = _QUERY
        else:
            prefix = ""
    settings, _ = resolve_embedding(preset, prompt=prompt, prefix=prefix)
    arguments = _as_the_rows(preset, model["embedding"])
    return AskedQueries(
        preset,
        settings.prefix,
        prompt,
        "cosine" if stored.dtype == "binary" else settings.similarity,
        {
            **arguments,
            "prompt": prompt,
            "prefix": prefix,
            "sequence_length": model["sequence_length"],
            "long_text": model["long_text"],
            "precision": model["precision"],
        },
    )


def _open(stored: StoredVectors, name: str, was_recorded: bool) -> "Preset":
    try:
        return open_named(name)
    except PresetError as error:
        if not was_recorded:
            raise
        raise PresetError(
            f"{error}; {stored.folder.path} was made with it: say where it is now with --preset"
        ) from None


def _as_the_rows(preset: "Preset", facts: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which a preset does what a result says of its rows.

    Not to ask for what is the preset's own anyway is not the same as asking for it: what is cut
    may have been normalized before.
    """
    from models.tasks.embedder import resolve_embedding

    names = ("pooling", "normalize", "dimensions")
    for chosen in itertools.product(*((None, facts[name]) for name in names)):
        arguments = dict(zip(names, chosen, strict=True))
        try:
            settings, dimensions = resolve_embedding(preset, **arguments)
        except UserError:  # several poolings, which nobody can ask for
            continue
        found = {**settings.facts, "dimensions": dimensions}
        if all(found[name] == facts[name] for name in (*names, "modules")):
            return arguments
    raise UserError(
        f"preset {preset.name!r} makes no such vectors any more ({facts['pooling']} pooling, "
        f"{facts['dimensions']} dimensions): embed the texts anew with this version"
    )
