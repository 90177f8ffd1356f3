"""The presets with names of their own: what is known about each without its files.

The names and configurations of `PRESETS` are KerasNLP's; the files are those now on Kaggle, whose
names are accepted as aliases. `EMBEDDERS` are what Keras Hub has of these families beyond them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).parents[1] / "bundled"
"""The folder of the presets that come with this package."""


@dataclass(frozen=True)
class RegisteredPreset:
    """A preset that is known by name.

    Attributes:
        name: What users call it.
        family: `bert`, `roberta`, `xlm_roberta` or `distil_bert`.
        config: Arguments of the backbone's constructor.
        lowercase: Whether its WordPiece tokenizer lowercases; `None` for tokenizers of other kinds.
        parameters: Weights of the backbone.
        description: A description in one sentence.
        handle: Where its files are, a `kaggle://` URI with a version.
        aliases: Other names for it.
        labels: Names of the classes; `None` where there is only a backbone.
        is_embedder: Whether it makes vectors. What its texts are cut to and whether they are
            lowercased is then known from its files alone.
    """

    name: str
    family: str
    config: dict[str, Any]
    lowercase: bool | None
    parameters: int
    description: str
    handle: str
    aliases: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    is_embedder: bool = False

    @property
    def num_classes(self) -> int | None:
        """How many classes it has; `None` where there is only a backbone."""
        return None if self.labels is None else len(self.labels)


_ENGLISH_UNCASED = 30_522
_ENGLISH_CASED = 28_996
_CHINESE = 21_128
_MULTILINGUAL_CASED = 119_547
_ROBERTA = 50_265
_XLM_ROBERTA = 250_002


def _shape(
    vocabulary_size: int, num_layers: int, hidden_dim: int, num_heads: int, **others: Any
) -> dict[str, Any]:
    """Returns a backbone's arguments; its feed-forward networks are 4 times `hidden_dim` wide."""
    return {
        "vocabulary_size": vocabulary_size,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "hidden_dim": hidden_dim,
        "intermediate_dim": 4 * hidden_dim,
        "dropout": 0.1,
        "max_sequence_length": 512,
        **others,
    }


def _bert(vocabulary_size: int, num_layers: int, hidden_dim: int, num_heads: int) -> dict[str, Any]:
    return _shape(vocabulary_size, num_layers, hidden_dim, num_heads, num_segments=2)


PRESETS: tuple[RegisteredPreset, ...] = (
    RegisteredPreset(
        name="bert_tiny_en_uncased",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 2, 128, 2),
        lowercase=True,
        parameters=4_385_920,
        description="The smallest BERT: English, uncased, for experiments and for CPUs.",
        handle="kaggle://keras/bert/keras/bert_tiny_en_uncased/3",
    ),
    RegisteredPreset(
        name="bert_small_en_uncased",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 4, 512, 8),
        lowercase=True,
        parameters=28_763_648,
        description="A small BERT: English, uncased.",
        handle="kaggle://keras/bert/keras/bert_small_en_uncased/3",
    ),
    RegisteredPreset(
        name="bert_medium_en_uncased",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 8, 512, 8),
        lowercase=True,
        parameters=41_373_184,
        description="A BERT between small and base: English, uncased.",
        handle="kaggle://keras/bert/keras/bert_medium_en_uncased/3",
    ),
    RegisteredPreset(
        name="bert_base_en_uncased",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 12, 768, 12),
        lowercase=True,
        parameters=109_482_240,
        description="BERT in its base size: English, uncased.",
        handle="kaggle://keras/bert/keras/bert_base_en_uncased/3",
    ),
    RegisteredPreset(
        name="bert_base_en_cased",
        family="bert",
        config=_bert(_ENGLISH_CASED, 12, 768, 12),
        lowercase=False,
        parameters=108_310_272,
        description="BERT in its base size: English, cased.",
        handle="kaggle://keras/bert/keras/bert_base_en/3",
        aliases=("bert_base_en",),
    ),
    RegisteredPreset(
        name="bert_base_zh",
        family="bert",
        config=_bert(_CHINESE, 12, 768, 12),
        lowercase=False,
        parameters=102_267_648,
        description="BERT in its base size for Chinese, one token per character.",
        handle="kaggle://keras/bert/keras/bert_base_zh/3",
    ),
    RegisteredPreset(
        name="bert_base_multi_cased",
        family="bert",
        config=_bert(_MULTILINGUAL_CASED, 12, 768, 12),
        lowercase=False,
        parameters=177_853_440,
        description="BERT in its base size for about a hundred languages, cased.",
        handle="kaggle://keras/bert/keras/bert_base_multi/3",
        aliases=("bert_base_multi",),
    ),
    RegisteredPreset(
        name="bert_large_en_uncased",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 24, 1024, 16),
        lowercase=True,
        parameters=335_141_888,
        description="The large BERT: English, uncased, best on a GPU.",
        handle="kaggle://keras/bert/keras/bert_large_en_uncased/3",
    ),
    RegisteredPreset(
        name="bert_large_en_cased",
        family="bert",
        config=_bert(_ENGLISH_CASED, 24, 1024, 16),
        lowercase=False,
        parameters=333_579_264,
        description="The large BERT: English, cased, best on a GPU.",
        handle="kaggle://keras/bert/keras/bert_large_en/3",
        aliases=("bert_large_en",),
    ),
    RegisteredPreset(
        name="roberta_base",
        family="roberta",
        config=_shape(_ROBERTA, 12, 768, 12),
        lowercase=None,
        parameters=124_052_736,
        description="RoBERTa in its base size: English, cased, with a token for every byte.",
        handle="kaggle://keras/roberta/keras/roberta_base_en/3",
        aliases=("roberta_base_en",),
    ),
    RegisteredPreset(
        name="roberta_large",
        family="roberta",
        config=_shape(_ROBERTA, 24, 1024, 16),
        lowercase=None,
        parameters=354_307_072,
        description="The large RoBERTa: English, cased, best on a GPU.",
        handle="kaggle://keras/roberta/keras/roberta_large_en/3",
        aliases=("roberta_large_en",),
    ),
    RegisteredPreset(
        name="xlm_roberta_base",
        family="xlm_roberta",
        config=_shape(_XLM_ROBERTA, 12, 768, 12),
        lowercase=None,
        parameters=277_450_752,
        description="RoBERTa in its base size for a hundred languages, cased.",
        handle="kaggle://keras/xlm_roberta/keras/xlm_roberta_base_multi/3",
        aliases=("xlm_roberta_base_multi",),
    ),
    RegisteredPreset(
        name="xlm_roberta_large",
        family="xlm_roberta",
        config=_shape(_XLM_ROBERTA, 24, 1024, 16),
        lowercase=None,
        parameters=558_837_760,
        description="The large RoBERTa for a hundred languages, best on a GPU.",
        handle="kaggle://keras/xlm_roberta/keras/xlm_roberta_large_multi/3",
        aliases=("xlm_roberta_large_multi",),
    ),
    RegisteredPreset(
        name="distil_bert_base_en_uncased",
        family="distil_bert",
        config=_shape(_ENGLISH_UNCASED, 6, 768, 12),
        lowercase=True,
        parameters=66_362_880,
        description="The base BERT distilled into half its layers: English, uncased.",
        handle="kaggle://keras/distil_bert/keras/distil_bert_base_en_uncased/3",
    ),
    RegisteredPreset(
        name="distil_bert_base_en_cased",
        family="distil_bert",
        config=_shape(_ENGLISH_CASED, 6, 768, 12),
        lowercase=False,
        parameters=65_190_912,
        description="The base BERT distilled into half its layers: English, cased.",
        handle="kaggle://keras/distil_bert/keras/distil_bert_base_en/3",
        aliases=("distil_bert_base_en",),
    ),
    RegisteredPreset(
        name="distil_bert_base_multi_cased",
        family="distil_bert",
        config=_shape(_MULTILINGUAL_CASED, 6, 768, 12),
        lowercase=False,
        parameters=134_734_080,
        description="The multilingual BERT distilled into half its layers, cased.",
        handle="kaggle://keras/distil_bert/keras/distil_bert_base_multi/3",
        aliases=("distil_bert_base_multi",),
    ),
    RegisteredPreset(
        name="bert_tiny_en_uncased_sst2",
        family="bert",
        config=_bert(_ENGLISH_UNCASED, 2, 128, 2),
        lowercase=True,
        parameters=4_385_920,
        description="The smallest BERT as a classifier: is a sentence negative or positive?",
        handle="kaggle://keras/bert/keras/bert_tiny_en_uncased_sst2/5",
        labels=("negative", "positive"),
    ),
)
"""KerasNLP's presets, in the order in which they are listed."""


def _embedder(
    name: str, origin: str, model: str, config: dict[str, Any], parameters: int
) -> RegisteredPreset:
    """Returns an embedder of Keras Hub.

    Args:
        name: Its name, which is also that of its files.
        origin: Owner and name of the model at Hugging Face that it was made from.
        model: What Kaggle calls the model that it is a variation of.
        config: Arguments of the backbone's constructor.
        parameters: Weights of the backbone.
    """
    return RegisteredPreset(
        name=name,
        family="bert" if "num_segments" in config else "xlm_roberta",
        config=config,
        lowercase=None,
        parameters=parameters,
        description=f"Vectors of {config['hidden_dim']} dimensions, from {origin}.",
        handle=f"kaggle://keras/{model}/keras/{name}/1",
        is_embedder=True,
    )


# Keras Hub's own table says 17,066,496, which no whole number of rows or layers explains.
_MINILM_L3 = _bert(_ENGLISH_UNCASED, 3, 384, 12), 17_389_824
_MINILM_L6 = _bert(_ENGLISH_UNCASED, 6, 384, 12), 22_713_216
_MINILM_L12 = _bert(_ENGLISH_UNCASED, 12, 384, 12), 33_360_000
_XSMALL = {**_MINILM_L6[0], "max_sequence_length": 4096}, 24_089_472
_BASE = _bert(_ENGLISH_UNCASED, 12, 768, 12), 109_482_240
_LARGE = _bert(_ENGLISH_UNCASED, 24, 1024, 16), 335_141_888
_SMALL_ZH = _bert(_CHINESE, 4, 512, 8), 23_953_920
_BASE_ZH = _bert(_CHINESE, 12, 768, 12), 102_267_648
_LARGE_ZH = _bert(_CHINESE, 24, 1024, 16), 325_522_432
_XLM_BASE = _shape(_XLM_ROBERTA, 12, 768, 12), 277_450_752
_XLM_LARGE = _shape(_XLM_ROBERTA, 24, 1024, 16), 558_837_760
_BGE_M3 = {**_XLM_LARGE[0], "max_sequence_length": 8192}, 566_702_080
_SBERT, _BGE, _E5, _MXBAI = "sentence-transformers", "bge", "multilingual-e5", "mxbai-embed"

EMBEDDERS: tuple[RegisteredPreset, ...] = tuple(
    _embedder(name, origin, model, *shape)
    for name, origin, model, shape in (
        ("all_minilm_l6_v2_en", f"{_SBERT}/all-MiniLM-L6-v2", _SBERT, _MINILM_L6),
        ("all_minilm_l6_v1_en", f"{_SBERT}/all-MiniLM-L6-v1", _SBERT, _MINILM_L6),
        ("all_minilm_l12_v2_en", f"{_SBERT}/all-MiniLM-L12-v2", _SBERT, _MINILM_L12),
        ("paraphrase_minilm_l3_v2_en", f"{_SBERT}/paraphrase-MiniLM-L3-v2", _SBERT, _MINILM_L3),
        ("paraphrase_minilm_l6_v2_en", f"{_SBERT}/paraphrase-MiniLM-L6-v2", _SBERT, _MINILM_L6),
        ("paraphrase_minilm_l12_v2_en", f"{_SBERT}/paraphrase-MiniLM-L12-v2", _SBERT, _MINILM_L12),
        ("multi_qa_minilm_l6_cos_v1_en", f"{_SBERT}/multi-qa-MiniLM-L6-cos-v1", _SBERT, _MINILM_L6),
        ("multi_qa_minilm_l6_dot_v1_en", f"{_SBERT}/multi-qa-MiniLM-L6-dot-v1", _SBERT, _MINILM_L6),
        ("msmarco_minilm_l6_cos_v5_en", f"{_SBERT}/msmarco-MiniLM-L6-cos-v5", _SBERT, _MINILM_L6),
        (
            "msmarco_minilm_l12_cos_v5_en",
            f"{_SBERT}/msmarco-MiniLM-L12-cos-v5",
            _SBERT,
            _MINILM_L12,
        ),
        ("bge_small_en", "BAAI/bge-small-en", _BGE, _MINILM_L12),
        ("bge_base_en", "BAAI/bge-base-en", _BGE, _BASE),
        ("bge_large_en", "BAAI/bge-large-en", _BGE, _LARGE),
        ("bge_small_v1.5_en", "BAAI/bge-small-en-v1.5", _BGE, _MINILM_L12),
        ("bge_base_v1.5_en", "BAAI/bge-base-en-v1.5", _BGE, _BASE),
        ("bge_large_v1.5_en", "BAAI/bge-large-en-v1.5", _BGE, _LARGE),
        ("bge_base_zh", "BAAI/bge-base-zh", _BGE, _BASE_ZH),
        ("bge_large_zh", "BAAI/bge-large-zh", _BGE, _LARGE_ZH),
        ("bge_small_v1.5_zh", "BAAI/bge-small-zh-v1.5", _BGE, _SMALL_ZH),
        ("bge_base_v1.5_zh", "BAAI/bge-base-zh-v1.5", _BGE, _BASE_ZH),
        ("bge_large_v1.5_zh", "BAAI/bge-large-zh-v1.5", _BGE, _LARGE_ZH),
        ("bge_llm_embedder", "BAAI/llm-embedder", _BGE, _BASE),
        ("mxbai_embed_large_v1_en", "mixedbread-ai/mxbai-embed-large-v1", _MXBAI, _LARGE),
        ("mxbai_embed_2d_large_v1_en", "mixedbread-ai/mxbai-embed-2d-large-v1", _MXBAI, _LARGE),
        ("mxbai_embed_xsmall_v1_en", "mixedbread-ai/mxbai-embed-xsmall-v1", _MXBAI, _XSMALL),
        ("bge_m3", "BAAI/bge-m3", _BGE, _BGE_M3),
        ("multilingual_e5_base", "intfloat/multilingual-e5-base", _E5, _XLM_BASE),
        ("multilingual_e5_large", "intfloat/multilingual-e5-large", _E5, _XLM_LARGE),
    )
)
"""Keras Hub's presets of these families that make vectors, in the order in which they are listed.

`multilingual_e5_small` is not among them: it is a BERT with the tokenizer of XLM-RoBERTa.
"""

_BY_NAME = {
    name: preset for preset in (*PRESETS, *EMBEDDERS) for name in (preset.name, *preset.aliases)
}


def find(name: str) -> RegisteredPreset | None:
    """Returns the preset with a name or an alias; `None` if there is none."""
    return _BY_NAME.get(name)


def bundled_presets() -> list[str]:
    """Returns the names of the presets that come with this package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/config.json"))


def all_names() -> list[str]:
    """Returns the names of all presets that have one, in the order in which they are listed."""
    return [*bundled_presets(), *(preset.name for preset in (*PRESETS, *EMBEDDERS))]


def names() -> list[str]:
    """Returns all names and aliases."""
    return list(_BY_NAME)


class FamilyPresets:
    """The attribute `presets` of a class: the registered presets of its family, or all, by name."""

    def __get__(self, instance: object, owner: Any) -> dict[str, RegisteredPreset]:
        """Returns the presets of the family; of all families for a class without one."""
        family = getattr(owner, "family", None)
        return {
            preset.name: preset
            for preset in (*PRESETS, *EMBEDDERS)
            if family in (None, preset.family)
        }
