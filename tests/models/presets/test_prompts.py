"""What sentence-transformers' configuration says besides modules: prompts and similarity."""

import json

import pytest

from models import PresetError
from models.errors import UserError
from models.presets.embedding import EmbeddingSettings, Normalize, Prompts
from models.presets.lookup import open_preset
from models.tasks.embedder import resolve_embedding
from tests.models.presets.hugging_face_folders import (
    WIDTH,
    write,
    write_modules,
)
from tests.models.presets.hugging_face_refusals import assert_refused
from tests.models.presets.test_sentence_transformers import (
    MEAN,
    PROMPTS,
    embedding,
)


def test_prompts_have_names_and_one_is_the_default(bert):
    write_modules(bert, MEAN)
    assert open_preset(bert).prompts == Prompts()
    texts = {"query": "query: ", "document": None}
    write(bert, PROMPTS, {"prompts": texts, "default_prompt_name": "query"})
    preset = open_preset(bert)
    assert preset.prompts == Prompts({"query": "query: ", "document": ""}, "query: ")
    assert PROMPTS in preset.files
    assert resolve_embedding(preset)[0].prefix == "query: "
    assert resolve_embedding(preset, prompt="document")[0].prefix == ""
    assert resolve_embedding(preset, prefix="Q: ")[0].prefix == "Q: "
    assert resolve_embedding(preset, prefix="")[0].prefix == ""


def test_a_default_that_sentence_transformers_always_has_may_be_left_out(bert):
    write_modules(bert, MEAN)
    write(bert, PROMPTS, {"default_prompt_name": "document"})
    assert open_preset(bert).prompts == Prompts()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"prompts": ["a"]}, "prompts must be an object of strings"),
        ({"prompts": {"a": 1}}, "prompts must be an object of strings"),
        ({"prompts": {"a": 0}}, "prompts must be an object of strings"),
        ({"prompts": {"a": "b"}, "default_prompt_name": "c"}, "'c' is not one of query, document"),
    ],
)
def test_prompts_that_are_none_are_refused(bert, content, problem):
    write_modules(bert, MEAN)
    write(bert, PROMPTS, content)
    assert_refused(bert, PROMPTS, problem, lambda folder: open_preset(folder).prompts)


def test_a_prompt_that_cannot_be_written_is_refused(bert):
    write_modules(bert, MEAN)
    (bert / PROMPTS).write_text(json.dumps({"prompts": {"a": "\ud800"}}))
    problem = "prompts must be an object of strings"
    assert_refused(bert, PROMPTS, problem, lambda folder: open_preset(folder).prompts)


def test_a_prompt_that_is_not_there_is_refused_with_those_that_are(bert):
    write_modules(bert, MEAN)
    with pytest.raises(UserError, match="has no prompts, so none is named 'query'; a prefix, such"):
        resolve_embedding(open_preset(bert), prompt="query")
    write(bert, PROMPTS, {"prompts": {"query": "a", "passage": "b"}})
    with pytest.raises(UserError, match=r"no prompt 'querry'; did you mean 'query'\?.* query, pas"):
        resolve_embedding(open_preset(bert), prompt="querry")
    with pytest.raises(UserError, match="not both"):
        resolve_embedding(open_preset(bert), prompt="query", prefix="a")


# What is asked for instead


def test_another_pooling_must_fit_the_modules(bert):
    write_modules(
        bert, ("Pooling", {"pooling_mode": ["cls", "mean"]}), ("LayerNorm", {"dimension": 8})
    )
    preset = open_preset(bert)
    assert resolve_embedding(preset)[1] == 8
    with pytest.raises(UserError, match=r"not fit the pooling 'max' \(2_LayerNorm takes vectors"):
        resolve_embedding(preset, "max")
    write(bert, "2_LayerNorm/config.json", {"dimension": WIDTH})
    preset = open_preset(bert)
    assert resolve_embedding(preset, "max")[1] == WIDTH
    with pytest.raises(PresetError, match="2_LayerNorm takes vectors of 4 numbers, not 8"):
        resolve_embedding(preset)


def test_the_pooler_does_not_go_with_modules_before_pooling(bert):
    write_modules(bert, ("Normalize", {"module_input_name": "token_embeddings"}), MEAN)
    with pytest.raises(UserError, match="has modules before pooling, which the pooling 'pooled'"):
        resolve_embedding(open_preset(bert), "pooled")


def test_the_presets_own_dimensions_are_cut_from_normalized_vectors(bert):
    write_modules(bert, MEAN, ("Normalize", None))
    write(bert, PROMPTS, {"truncate_dim": 3})
    preset = open_preset(bert)
    cut = EmbeddingSettings(normalize=False, modules=(Normalize(),))
    assert resolve_embedding(preset) == (cut, 3)
    assert resolve_embedding(preset, dimensions=2) == (EmbeddingSettings(normalize=True), 2)
    assert resolve_embedding(preset, normalize=True) == (EmbeddingSettings(normalize=True), 3)
    assert resolve_embedding(preset, normalize=False) == (EmbeddingSettings(), 3)
    write(bert, PROMPTS, {"truncate_dim": 100})
    assert resolve_embedding(open_preset(bert)) == (EmbeddingSettings(normalize=True), WIDTH)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "cosine"),
        ({"similarity_fn_name": None}, "cosine"),
        ({"similarity_fn_name": "dot"}, "dot"),
    ],
    ids=["none", "null", "dot"],
)
def test_vectors_are_compared_as_the_preset_says(bert, config, expected):
    write_modules(bert, MEAN)
    write(bert, PROMPTS, config)
    assert embedding(bert).similarity == expected


@pytest.mark.parametrize("name", ["maxsim", 3, ["dot"]], ids=str)
def test_another_similarity_is_refused(bert, name):
    write_modules(bert, MEAN)
    write(bert, PROMPTS, {"similarity_fn_name": name})
    with pytest.raises(PresetError, match=r"similarity_fn_name .* is not one of cosine, dot, eucl"):
        embedding(bert)
