"""Training in a few weights, and the file of what was trained."""

import numpy as np
import pytest

TEXTS = ["the good film", "the bad play", "good", "bad"]
CLASSES = np.array([1, 0, 1, 0])


@pytest.fixture
def classifier(family, randomize):
    made = family.classifier(["negative", "positive"], dropout=0.0)
    randomize(made)
    return made


def test_what_was_trained_goes_into_another_backbone(family, classifier, randomize, tmp_path):
    backbone = classifier.backbone
    before = {name: np.array(weight) for name, weight in backbone.named_weights().items()}
    backbone.enable_lora(2)
    classifier.compile(optimizer="sgd")
    classifier.fit(TEXTS, CLASSES, epochs=2, verbose=0)
    changed = {
        name.rpartition("/")[0].rpartition("/")[2]
        for name, weight in backbone.named_weights().items()
        if not np.array_equal(weight, before[name])
    }
    assert changed <= {"qkv", "attention_output", "", "pooler"}
    assert "qkv" in changed
    path = tmp_path / "mine.lora.h5"
    backbone.save_lora_weights(path)
    other = family.ours("Backbone")(**{**family.config, "dropout": 0.0})
    for name, weight in other.named_weights().items():
        weight.assign(before[name])
    other.load_lora_weights(path)
    assert other.lora_rank == 2
    features = classifier.preprocessor(TEXTS)
    np.testing.assert_allclose(other.tokens(features), backbone.tokens(features), atol=1e-6)


def test_other_layers_may_be_named(family):
    backbone = family.ours("Backbone")(**family.config)
    with pytest.raises(ValueError, match="no layer is named 'query'; LoRA may be beside qkv, att"):
        backbone.enable_lora(2, target_layer_names=["query"])
    backbone.enable_lora(2, target_layer_names=["intermediate"])
    assert {name.split("/")[-2] for name in backbone._trained() if "lora" in name} == {
        "intermediate"
    }
    with pytest.raises(ValueError, match="LoRA is enabled already"):
        backbone.enable_lora(2)


def test_files_that_do_not_fit_are_refused(family, tmp_path):
    def make(**overrides):
        return family.ours("Backbone")(**{**family.config, **overrides})

    backbone, path = make(), tmp_path / "mine.lora.h5"
    with pytest.raises(ValueError, match="LoRA is not enabled: call enable_lora"):
        backbone.save_lora_weights(path)
    backbone.enable_lora(2)
    with pytest.raises(ValueError, match=r"must end in \.lora\.h5, not be '.*mine\.h5'"):
        backbone.save_lora_weights(tmp_path / "mine.h5")
    backbone.save_lora_weights(path)
    other = make()
    other.enable_lora(3)
    with pytest.raises(ValueError, match="is of rank 2, and the backbone of 3"):
        other.load_lora_weights(path)
    smaller = make(num_layers=1)
    with pytest.raises(ValueError, match="is of a backbone of another shape"):
        smaller.load_lora_weights(path)
    assert smaller.lora_rank is None  # it can be trained in all of its weights still
    assert all(weight.trainable for weight in smaller.weights)
    (backbone_file := tmp_path / "preset").mkdir()
    make().save_to_preset(backbone_file)
    with pytest.raises(ValueError, match="was not written by save_lora_weights"):
        make().load_lora_weights(backbone_file / "model.weights.h5")
