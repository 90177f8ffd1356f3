"""Live comparison with transformers: the same folders, the same ids, the same numbers."""

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertTokenizer
from models.distil_bert import DistilBertBackbone, DistilBertClassifier, DistilBertTokenizer
from models.presets import open_preset
from tests.models.family_classes import (
    RobertaBackbone,
    RobertaClassifier,
    XLMRobertaBackbone,
    XLMRobertaClassifier,
)

pytestmark = pytest.mark.parity

torch = pytest.importorskip("torch", reason="needs the parity extra")
transformers = pytest.importorskip("transformers", reason="needs the parity extra")

LENGTH = 24
AGNEWS = Path(__file__).parents[3] / "shared" / "data" / "agnews.tsv"
BERT = {
    "vocab_size": 50,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
    "max_position_embeddings": LENGTH,
    "initializer_range": 0.2,
}
ROBERTA = {**BERT, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1}
DISTIL_BERT = {
    "vocab_size": 50,
    "n_layers": 2,
    "n_heads": 4,
    "dim": 32,
    "hidden_dim": 48,
    "max_position_embeddings": LENGTH,
    "initializer_range": 0.2,
}
FAMILIES = {
    "bert": ("Bert", BERT, BertBackbone, BertClassifier),
    "roberta": ("Roberta", ROBERTA, RobertaBackbone, RobertaClassifier),
    "xlm_roberta": ("XLMRoberta", ROBERTA, XLMRobertaBackbone, XLMRobertaClassifier),
    "distil_bert": ("DistilBert", DISTIL_BERT, DistilBertBackbone, DistilBertClassifier),
}


def reference(family, task="Model", **overrides):
    """Returns a random model of transformers; no weight of it is zero or one."""
    prefix, config, _, _ = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**{**config, **overrides})
    torch.manual_seed(0)
    model = getattr(transformers, f"{prefix}{task}")(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1)
    return model


def features(family, length):
    """Returns random inputs of ours and the same for transformers; some rows are padded."""
    random = np.random.default_rng(length)
    mask = (np.arange(length) < random.integers(1, length + 1, (5, 1))).astype(np.int32)
    pad = 1 if "roberta" in family else 0
    ids = np.where(mask, random.integers(5, 50, mask.shape), pad).astype(np.int32)
    ours = {"token_ids": ids, "padding_mask": mask}
    theirs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if family == "bert":
        ours["segment_ids"] = random.integers(0, 2, mask.shape).astype(np.int32)
        theirs["token_type_ids"] = torch.tensor(ours["segment_ids"])
    return ours, theirs


def assert_same_tokens(family, ours, model):
    for length in (2, 17, LENGTH):
        mine, theirs = features(family, length)
        with torch.no_grad():
            expected = model(**theirs).last_hidden_state.numpy()
        real = mine["padding_mask"].astype(bool)
        np.testing.assert_allclose(ours.tokens(mine).numpy()[real], expected[real], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "20KB"])
def test_a_backbone_gives_the_outputs_of_transformers(family, tmp_path, shard_size):
    model = reference(family)
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    assert (tmp_path / "model.safetensors").exists() == (shard_size == "1GB")
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model)


def test_the_pooled_output_is_that_of_transformers(tmp_path):
    model = reference("bert")
    model.save_pretrained(tmp_path)
    mine, theirs = features("bert", 17)
    with torch.no_grad():
        expected = model(**theirs).pooler_output.numpy()
    found = BertBackbone.from_preset(tmp_path)(mine)["pooled_output"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "activation", ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu"]
)
def test_activations_are_those_of_transformers(family, tmp_path, activation):
    field = "activation" if family == "distil_bert" else "hidden_act"
    model = reference(family, **{field: activation})
    model.save_pretrained(tmp_path)
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_half_precision_load(family, tmp_path, dtype):
    model = reference(family).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model.float())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "20KB"])
def test_a_classifier_gives_the_logits_of_transformers(family, tmp_path, shard_size):
    names = {0: "bad", 1: "so so", 2: "good"}
    model = reference(family, "ForSequenceClassification", id2label=names)
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    ours = FAMILIES[family][3].from_preset(tmp_path, preprocessor=None)
    assert ours.labels == ["bad", "so so", "good"]
    for length in (2, LENGTH):
        mine, theirs = features(family, length)
        with torch.no_grad():
            expected = model(**theirs).logits.numpy()
        np.testing.assert_allclose(ours.scores(mine), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["ForMaskedLM", "ForTokenClassification", "ForQuestionAnswering"])
def test_the_backbone_of_a_model_for_another_task_loads(family, tmp_path, task):
    model = reference(family, task)
    model.save_pretrained(tmp_path)
    assert not open_preset(tmp_path).has_classifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the missing pooler
        ours = FAMILIES[family][2].from_preset(tmp_path)
    assert_same_tokens(family, ours, model.base_model)
