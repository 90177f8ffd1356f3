import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from models import Backbone
from models.encoder import unset_weights
from models.families.record import FAMILIES
from models.presets import registry
from models.presets.lookup import find_preset

ROOT = Path(__file__).parents[3]
ALL = (*registry.PRESETS, *registry.EMBEDDERS)


def count_weights(
    *,
    vocabulary_size,
    num_layers,
    num_heads,
    hidden_dim,
    intermediate_dim,
    max_sequence_length,
    dropout,
    num_segments=0,
):
    """The papers' arithmetic; of the four families only BERT has segments, and so a pooler."""
    dense, norm = hidden_dim * hidden_dim + hidden_dim, 2 * hidden_dim
    feed_forward = 2 * hidden_dim * intermediate_dim + intermediate_dim + hidden_dim
    embeddings = (vocabulary_size + max_sequence_length + num_segments) * hidden_dim + norm
    layers = num_layers * (4 * dense + feed_forward + 2 * norm)
    return embeddings + layers + (dense if num_segments else 0)


def test_there_are_17_presets_and_only_one_is_a_classifier():
    assert len(registry.PRESETS) == 17
    [classifier] = [preset for preset in registry.PRESETS if preset.labels]
    assert classifier.name == "bert_tiny_en_uncased_sst2"
    assert classifier.num_classes == 2
    assert classifier.labels == ("negative", "positive")


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: preset.name)
def test_the_configuration_has_as_many_weights_as_the_table_says(preset):
    assert count_weights(**preset.config) == preset.parameters


@pytest.mark.parametrize("preset", registry.PRESETS, ids=lambda preset: preset.name)
def test_heads_share_the_width_in_equal_parts(preset):
    assert preset.config["hidden_dim"] == 64 * preset.config["num_heads"]


@pytest.mark.parametrize("preset", registry.PRESETS, ids=lambda preset: preset.name)
def test_the_handle_is_of_the_family_and_leads_back_to_the_preset(preset):
    owner, model, framework, variation, version = preset.handle.removeprefix("kaggle://").split("/")
    assert (owner, model, framework) == ("keras", preset.family, "keras")
    assert int(version) > 0
    assert registry.find(variation) is preset


@pytest.mark.parametrize("preset", registry.PRESETS, ids=lambda preset: preset.name)
def test_case_is_in_the_name_of_every_word_piece_preset(preset):
    assert (preset.lowercase is not None) == (preset.family in ("bert", "distil_bert"))
    assert bool(preset.lowercase) == ("uncased" in preset.name)


# Live comparison with Keras Hub's own tables.


def tables_of_keras_hub():
    keras_hub = pytest.importorskip("keras_hub", minversion="0.32")
    tables = {}
    for name in FAMILIES:
        module = importlib.import_module(f"{keras_hub.__name__}.src.models.{name}.{name}_presets")
        tables |= {preset: (name, facts) for preset, facts in module.backbone_presets.items()}
    return tables


@pytest.mark.parity
def test_every_preset_of_keras_hub_is_known_as_there():
    tables = tables_of_keras_hub()
    del tables["multilingual_e5_small"]  # a BERT with the tokenizer of XLM-RoBERTa
    for name, (family, facts) in tables.items():
        preset = registry.find(name)
        assert preset is not None, name
        assert preset.family == family
        assert preset.handle == facts["kaggle_handle"]
        if name != "paraphrase_minilm_l3_v2_en":  # its table contradicts its configuration
            assert preset.parameters == facts["metadata"]["params"]
    assert {preset.handle for preset in ALL} == {f["kaggle_handle"] for _, f in tables.values()}


def test_embedders_come_after_the_17_and_say_how_long_their_vectors_are():
    assert len(registry.EMBEDDERS) == 28
    assert not any(preset.is_embedder for preset in registry.PRESETS)
    for preset in registry.EMBEDDERS:
        assert preset.is_embedder
        assert f" {preset.config['hidden_dim']} dimensions" in preset.description
        assert preset.handle.endswith(f"/{preset.name}/1")
        assert registry.find(preset.name) is preset


def test_what_an_embedders_texts_are_cut_to_is_not_known_without_its_files():
    found = find_preset("bge_m3")
    assert (found.sequence_length, found.lowercase) == (None, None)
    assert found.config["max_sequence_length"] == 8192


def test_a_preset_is_found_by_name_and_by_alias():
    assert registry.find("roberta_base_en") is registry.find("roberta_base")
    assert registry.find("bert_base_en").name == "bert_base_en_cased"
    assert registry.find("bert_base") is None


def test_no_name_means_two_presets():
    assert len(registry.names()) == sum(1 + len(preset.aliases) for preset in ALL)


def test_families_that_the_tokenizer_knows_are_those_of_the_table():
    assert set(FAMILIES) <= {preset.family for preset in registry.PRESETS}


def test_the_table_needs_no_tensorflow():
    code = "import models.presets.registry, sys; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "preset",
    [*registry.PRESETS, *map(registry.find, ("bge_small_v1.5_zh", "mxbai_embed_xsmall_v1_en"))],
    ids=lambda preset: preset.name,
)
def test_a_backbone_is_built_without_its_files(preset):
    kind = Backbone.member_of(preset)
    with unset_weights():  # 2 GB of random numbers take long
        backbone = kind.from_preset(preset.name, load_weights=False)
    assert backbone.count_params() == preset.parameters
    assert backbone.get_config().items() >= preset.config.items()
    assert kind.presets[preset.name] is preset
