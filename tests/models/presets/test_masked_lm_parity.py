"""Live comparison of masked language models: the same weights, the same files, the same scores."""

from importlib.metadata import version

import h5py
import keras
import numpy as np
import pytest

from models import MaskedLM, PresetError
from models.errors import Advice
from tests.models.family_cases import FAMILIES, case

# Keras Hub saves a model that it builds from its first inputs.
pytestmark = pytest.mark.filterwarnings(r"ignore:`build\(\)` was called on layer:UserWarning")

LENGTH = 12
TEXTS = ["The film, good!", "awful playing [x]", "a great film and an awful one"]
SHAPE = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32}
SHAPE |= {"intermediate_size": 48, "vocab_size": 50, "initializer_range": 0.2}
SHAPES = {
    "bert": {**SHAPE, "max_position_embeddings": LENGTH},
    "roberta": {**SHAPE, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1},
    "xlm_roberta": {**SHAPE, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1},
    "distil_bert": {
        "n_layers": 2,
        "n_heads": 4,
        "dim": 32,
        "hidden_dim": 48,
        "vocab_size": 50,
        "max_position_embeddings": LENGTH,
        "initializer_range": 0.2,
    },
}


def features(family, vocabulary_size=50, has_segments=False):
    random = np.random.default_rng(1)
    mask = (np.arange(LENGTH) < random.integers(2, LENGTH + 1, (5, 1))).astype("int32")
    pad = 1 if "roberta" in family else 0
    ids = np.where(mask, random.integers(5, vocabulary_size, mask.shape), pad).astype("int32")
    made = {"token_ids": ids, "padding_mask": mask}
    if has_segments:
        made["segment_ids"] = random.integers(0, 2, mask.shape).astype("int32")
    return made


def at_every_place(made):
    places = np.tile(np.arange(LENGTH, dtype="int32"), (len(made["token_ids"]), 1))
    return {**made, "mask_positions": places}


@pytest.fixture
def reference():
    """Makes random models of transformers; no weight of them is zero or one."""
    torch = pytest.importorskip("torch", reason="needs the parity extra")
    transformers = pytest.importorskip("transformers", reason="needs the parity extra")

    def make(family, task="ForMaskedLM", **overrides):
        prefix = case(family).prefix
        config = getattr(transformers, f"{prefix}Config")(**{**SHAPES[family], **overrides})
        torch.manual_seed(0)
        model = getattr(transformers, f"{prefix}{task}")(config).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape) * 0.1)
        return model

    return make


def scores_of(model, made):
    import torch

    inputs = {"input_ids": made["token_ids"], "attention_mask": made["padding_mask"]}
    if "segment_ids" in made:
        inputs["token_type_ids"] = made["segment_ids"]
    with torch.no_grad():
        found = model(**{name: torch.tensor(values) for name, values in inputs.items()})
    return getattr(found, "logits", None) if hasattr(found, "logits") else found.prediction_logits


def assert_same_scores(ours, model, family):
    made = features(family, has_segments=family == "bert")
    expected = scores_of(model, made).numpy()
    found = np.asarray(ours(at_every_place(made)))
    real = made["padding_mask"].astype(bool)
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


# A masked LM of transformers has no pooler.
unpooled = pytest.mark.filterwarnings("ignore:preset .* stores no pooler:UserWarning")


@unpooled
@pytest.mark.parity
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_transformers(family, reference, tmp_path):
    model = reference(family)
    model.save_pretrained(tmp_path)
    ours = MaskedLM.from_preset(tmp_path, preprocessor=None)
    assert type(ours) is case(family).ours("MaskedLM")
    assert_same_scores(ours, model, family)


@unpooled
@pytest.mark.parity
@pytest.mark.parametrize("family", FAMILIES)
def test_the_activation_and_the_epsilon_are_the_checkpoints(family, reference, tmp_path):
    own = {"activation": "relu"} if family == "distil_bert" else {"hidden_act": "relu"}
    own |= {} if family == "distil_bert" else {"layer_norm_eps": 0.05}
    model = reference(family, **own)
    model.save_pretrained(tmp_path)
    assert_same_scores(MaskedLM.from_preset(tmp_path, preprocessor=None), model, family)


@pytest.mark.parity
def test_the_head_of_a_pretrained_bert_is_read_beside_its_other_one(reference, tmp_path):
    model = reference("bert", "ForPreTraining")
    model.save_pretrained(tmp_path)
    ours = MaskedLM.from_preset(tmp_path, preprocessor=None)
    assert_same_scores(ours, model, "bert")


@unpooled
@pytest.mark.parity
@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_with_embeddings_of_its_own_is_refused(family, reference, tmp_path):
    reference(family, tie_word_embeddings=False).save_pretrained(tmp_path)
    with pytest.raises(PresetError, match=r"config.json: tie_word_embeddings is false, and a mas"):
        MaskedLM.from_preset(tmp_path, preprocessor=None)


def their_masked_lm(family, randomize):
    theirs = family.theirs
    tokenizer = theirs("Tokenizer")(**family.arguments, **family.their_arguments)
    preprocessor = theirs("MaskedLMPreprocessor")(
        tokenizer, sequence_length=LENGTH, mask_selection_rate=0.25, mask_selection_length=5
    )
    backbone = theirs("Backbone")(**{**family.config, "max_sequence_length": LENGTH})
    model = theirs("MaskedLM")(backbone, preprocessor)
    randomize(model, seed=3)
    return model


def assert_same_in_keras_hub(ours, theirs, family):
    made = features(family.family, 36, family.has_segments)
    found, expected = (
        np.asarray(keras.ops.convert_to_numpy(model(at_every_place(made))))
        for model in (ours, theirs)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_masked_lm_that_keras_hub_saved_gives_the_same_scores(family, randomize, tmp_path):
    pytest.importorskip("keras_hub")
    theirs = their_masked_lm(family, randomize)
    theirs.save_to_preset(str(tmp_path))
    ours = MaskedLM.from_preset(tmp_path)
    assert type(ours) is family.ours("MaskedLM")
    assert ours.preprocessor.mask_selection_rate == 0.25
    assert (ours.preprocessor.mask_selection_length, ours.preprocessor.sequence_length) == (5, 12)
    assert_same_in_keras_hub(ours, theirs, family)


@pytest.mark.skipif(version("keras-hub") < "0.26", reason="refuses files of a head alone")
def test_a_masked_lm_saved_here_gives_the_same_scores_in_keras_hub(family, randomize, tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    backbone = family.ours("Backbone")(**{**family.config, "max_sequence_length": LENGTH})
    preprocessor = family.ours("MaskedLMPreprocessor")(family.tokenizer, LENGTH)
    ours = family.ours("MaskedLM")(backbone, preprocessor)
    randomize(ours)
    ours.save_to_preset(tmp_path)
    theirs = keras_hub.models.MaskedLM.from_preset(str(tmp_path))
    assert theirs.preprocessor.mask_selection_length == 96
    assert_same_in_keras_hub(ours, theirs, family)
    assert_same_in_keras_hub(MaskedLM.from_preset(tmp_path), theirs, family)
    with h5py.File(tmp_path / "task.weights.h5") as store:
        assert "layers/masked_lm_head/vars/0" in store
    theirs.fit(TEXTS, batch_size=3, verbose=0)


def test_what_keras_hub_does_not_read_of_a_head_is_said_and_comes_back(randomize, tmp_path):
    family = case("distil_bert")
    backbone = family.ours("Backbone")(**family.config)
    ours = family.ours("MaskedLM")(backbone, layer_norm_epsilon=1e-12)
    randomize(ours)
    with pytest.warns(Advice, match="has layer_norm_epsilon=1e-12, which Keras Hub leaves unread"):
        ours.save_to_preset(tmp_path)
    assert MaskedLM.from_preset(tmp_path, preprocessor=None).settings == ours.settings
