import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models import BertClassifier, PresetError
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from tests.models.presets.hugging_face_folders import edit, make_folder, write
from tests.models.presets.hugging_face_refusals import CONFIG, WEIGHTS, assert_refused

SETTINGS = "config_sentence_transformers.json"
TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
SIGMOID = "torch.nn.modules.activation.Sigmoid"
IDENTITY = "torch.nn.modules.linear.Identity"


@pytest.fixture
def reranker(bert):
    """A folder whose head has one output."""
    weights = load_file(bert / WEIGHTS)
    weights |= {name: weights[name][:1] for name in ("classifier.weight", "classifier.bias")}
    save_file(weights, bert / WEIGHTS)
    edit(bert, CONFIG, id2label={"0": "LABEL_0"})
    return bert


def activation_of(folder):
    preset = open_preset(folder)
    assert preset.gives_numbers
    assert not preset.is_multi_label
    return preset.head_config["activation"]


@pytest.mark.parametrize(
    ("fields", "activation"),
    [
        ({}, "sigmoid"),
        ({"problem_type": "single_label_classification"}, "sigmoid"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({"problem_type": "regression"}, None),
        ({"sbert_ce_default_activation_function": None}, "sigmoid"),
        ({"sbert_ce_default_activation_function": IDENTITY}, None),
        ({"sentence_transformers": {"activation_fn": IDENTITY, "version": "5.1"}}, None),
        ({"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}}, "tanh"),
        ({"sentence_transformers": {"activation_fn": None}}, "sigmoid"),
        (
            {"sentence_transformers": {"activation_fn": SIGMOID}, "problem_type": "regression"},
            "sigmoid",
        ),
        (
            {
                "sentence_transformers": {"version": "5.1"},
                "sbert_ce_default_activation_function": IDENTITY,
            },
            None,
        ),
        (
            {
                "sentence_transformers": {"activation_fn": SIGMOID},
                "sbert_ce_default_activation_function": IDENTITY,
            },
            "sigmoid",
        ),
    ],
)
def test_the_function_of_a_score_is_that_of_a_cross_encoder(reranker, fields, activation):
    edit(reranker, CONFIG, **fields)
    assert activation_of(reranker) == activation


def save_modules(folder, kinds=(TRANSFORMER,), **settings):
    write(folder, "modules.json", [{"path": "", "type": kind} for kind in kinds])
    write(folder, SETTINGS, {"model_type": "CrossEncoder", "activation_fn": IDENTITY, **settings})


def test_a_folder_of_modules_names_the_function_before_its_model_does(reranker):
    edit(reranker, CONFIG, sentence_transformers={"activation_fn": "torch.nn.Tanh"})
    before = open_preset(reranker).digest
    save_modules(reranker)
    assert activation_of(reranker) is None
    assert SETTINGS in open_preset(reranker).files
    assert open_preset(reranker).digest != before
    save_modules(reranker, activation_fn=None)
    assert activation_of(reranker) == "tanh"
    save_modules(reranker, model_type="SentenceTransformer")
    assert activation_of(reranker) == "tanh"


@pytest.mark.parametrize(
    "path", ["evil.Sigmoid", "torch.nn.Softmax", "torch.load", 3, ["torch.nn.Tanh"]]
)
@pytest.mark.parametrize("file", [CONFIG, SETTINGS])
def test_a_function_that_is_not_known_is_refused_and_not_imported(reranker, path, file):
    if file == CONFIG:
        edit(reranker, CONFIG, sentence_transformers={"activation_fn": path})
    else:
        save_modules(reranker, activation_fn=path)
    problem = f"the scores' function {path!r} is not one of torch's Identity, Sigmoid, Tanh, ReLU"
    assert_refused(reranker, file, problem)


@pytest.mark.parametrize(
    ("kinds", "settings", "file", "problem"),
    [
        (
            [TRANSFORMER, "a.Dense"],
            {},
            "modules.json",
            "one module 'Transformer', not 'Transformer', 'Dense'",
        ),
        ([], {}, "modules.json", "must be an array of modules"),
        ([TRANSFORMER], {"default_prompt_name": "ask"}, SETTINGS, "'ask' puts a prompt before the"),
    ],
    ids=["dense", "none", "prompt"],
)
def test_what_a_cross_encoder_does_besides_is_refused(reranker, kinds, settings, file, problem):
    save_modules(reranker, kinds, **settings)
    assert_refused(reranker, file, problem)


def test_the_function_of_several_classes_is_not_looked_at(bert):
    edit(bert, CONFIG, sentence_transformers={"activation_fn": "evil.Sigmoid"})
    preset = open_preset(bert)
    assert (preset.gives_numbers, preset.head_config["activation"]) == (False, None)


def test_a_score_is_what_its_function_makes_of_the_logit(reranker):
    edit(reranker, CONFIG, problem_type="regression")
    raw = Predictor.from_preset(reranker)(["abc", "a"], ["b", "cd"])
    assert raw.shape == (2, 1)
    edit(reranker, CONFIG, problem_type=None)
    squashed = Predictor.from_preset(reranker)(["abc", "a"], ["b", "cd"])
    np.testing.assert_allclose(squashed, 1 / (1 + np.exp(-raw)), atol=1e-6)


def test_regression_of_several_numbers_comes_back_from_a_saved_preset(bert, tmp_path):
    edit(bert, CONFIG, problem_type="regression")
    ours = BertClassifier.from_preset(bert)
    assert (ours.gives_numbers, ours.is_multi_label) == (True, False)
    ours.save_to_preset(tmp_path / "saved")
    preset = open_preset(tmp_path / "saved")
    assert preset.gives_numbers
    assert preset.labels == ["bad", "so so", "good"]
    texts = ["abc", "d"]
    found = [Predictor.from_preset(each)(texts) for each in (bert, preset)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert not np.allclose(found[0].sum(axis=1), 1)
    made = BertClassifier.from_config(ours.get_config())
    assert made.gives_numbers


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"id2label": {"0": 4, "1": 5, "2": 0.5}}, ["4", "5", "0.5"]),
        ({"id2label": {"0": "a", "1": "a", "2": "b"}}, ["a", "a", "b"]),
        ({"num_labels": 2}, ["bad", "so so", "good"]),
        ({"id2label": {"0": "a"}, "num_labels": 3}, ["LABEL_0", "LABEL_1", "LABEL_2"]),
        ({"_num_labels": 2}, ["bad", "so so", "good"]),
    ],
    ids=["numbers", "alike", "three weights", "three numbered", "old"],
)
def test_labels_may_be_named_as_transformers_takes_them(bert, fields, labels):
    edit(bert, CONFIG, **fields)
    assert BertClassifier.from_preset(bert).labels == open_preset(bert).labels == labels


def test_labels_that_disagree_without_weights_are_those_of_todays_transformers(bert):
    (bert / WEIGHTS).unlink()
    edit(bert, CONFIG, num_labels=2)
    assert open_preset(bert).labels == ["LABEL_0", "LABEL_1"]


@pytest.mark.parametrize("family", ["bert", "roberta", "distil_bert"])
@pytest.mark.parametrize("architectures", [None, [], ["BertModel"]])
def test_a_head_that_is_stored_counts_though_no_architecture_names_it(
    tmp_path, family, architectures
):
    folder = make_folder(tmp_path / "a", family, head=True)
    edit(folder, CONFIG, architectures=architectures)
    assert open_preset(folder).has_classifier
    plain = make_folder(tmp_path / "b", family)
    edit(plain, CONFIG, architectures=architectures)
    assert not open_preset(plain).has_classifier
    assert "only a backbone; fine-tune it first" in str(open_preset(plain).no_classifier())


@pytest.mark.parametrize("missing", ["classifier.weight", "pooler.dense.weight"])
def test_a_head_that_is_not_stored_is_not_drawn_at_random(bert, missing):
    weights = load_file(bert / WEIGHTS)
    del weights[missing]
    save_file(weights, bert / WEIGHTS)
    preset = open_preset(bert)
    assert not preset.has_classifier
    message = f"has no classifier: .* its weights lack '{missing}'.*finetune"
    with pytest.raises(PresetError, match=message):
        _ = preset.labels
    with pytest.raises(PresetError, match="pass num_classes for a new head"):
        BertClassifier.from_preset(bert)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForTokenClassification", "labels tokens"),
        ("BertForQuestionAnswering", "finds answers in texts"),
        ("BertForMultipleChoice", "chooses one of several texts"),
        ("BertForMaskedLM", "fills in masked tokens"),
        ("BertForNextSentencePrediction", "says whether one text follows another"),
        ("BertForPreTraining", "is pretrained only"),
    ],
)
def test_a_head_of_another_task_is_said(bert, architecture, task):
    edit(bert, CONFIG, architectures=[architecture])
    with pytest.raises(PresetError, match=f"it is a {architecture}, which {task}; fine-tune it"):
        Predictor.from_preset(bert)
    assert Predictor.from_preset(bert, "embed")(["abc"]).shape == (1, 4)


def test_weights_that_cannot_be_read_are_not_called_a_backbone(bert):
    edit(bert, CONFIG, architectures=None)
    (bert / WEIGHTS).rename(bert / "pytorch_model.bin")
    message = r"pytorch_model.bin: a pickle, .*\(a classifier as AutoModelForSeq"
    with pytest.raises(PresetError, match=message):
        Predictor.from_preset(bert)
