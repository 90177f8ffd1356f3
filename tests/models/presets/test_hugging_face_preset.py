import time

import pytest
from safetensors.numpy import save_file

from models import (
    BertBackbone,
    BertClassifier,
    PresetError,
)
from models.named_weights import arrays, assign
from models.presets.lookup import open_preset
from tests.models.presets.hugging_face_folders import (
    CLASSES,
    edit,
    make_arrays,
    make_folder,
    wordpiece_json,
    write,
)
from tests.models.presets.hugging_face_refusals import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    assert_refused,
)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (
            "model_type",
            "gpt2",
            "model_type 'gpt2' is not one of bert, roberta, camembert,",
        ),
        ("model_type", ["bert"], "model_type ['bert'] is not one of"),
        ("hidden_act", "silu", "hidden_act 'silu' is not one of gelu, "),
        ("hidden_act", 1, "hidden_act 1 is not one of gelu, "),
        ("position_embedding_type", "relative_key", "position_embedding_type must be 'absolute'"),
        ("is_decoder", True, "is_decoder must be False, not True"),
        ("add_cross_attention", True, "add_cross_attention must be False"),
        ("quantization_config", {"load_in_8bit": True}, "quantization_config must be None"),
        ("pruned_heads", {"1": [0]}, "pruned_heads must be {}"),
        ("num_attention_heads", 3, "hidden_size 4 is not a multiple of num_attention_heads 3"),
        ("hidden_dropout_prob", float("nan"), "hidden_dropout_prob must be a number from 0 up"),
        ("layer_norm_eps", "1e-5", "layer_norm_eps must be a number from 0 up to 1"),
        ("num_hidden_layers", 10**6, "num_hidden_layers must be at most 1000"),
        ("architectures", "BertModel", "architectures must be an array"),
    ],
)
def test_what_is_not_computed_here_is_refused(bert, field, value, problem):
    edit(bert, CONFIG, **{field: value})
    assert_refused(bert, CONFIG, problem)


@pytest.mark.parametrize(
    "field",
    [
        *("vocab_size", "num_hidden_layers", "num_attention_heads", "hidden_size"),
        *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
    ],
)
@pytest.mark.parametrize("value", ["16", True, -1, 0, 2.0, None, [16]])
def test_a_size_must_be_a_positive_integer(bert, field, value):
    edit(bert, CONFIG, **{field: value})
    assert_refused(bert, CONFIG, f"{field} must be a positive integer, not {value!r}")


@pytest.mark.parametrize("field", ["vocab_size", "hidden_size", "max_position_embeddings"])
def test_a_width_of_a_billion_fails_at_once_and_asks_for_no_memory(bert, field):
    edit(bert, CONFIG, **{field: 10**9})
    start = time.monotonic()
    assert_refused(bert, WEIGHTS, "its configuration asks for")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"max_position_embeddings": 2}, "max_position_embeddings must be more than 2"),
        ({"pad_token_id": -1}, "pad_token_id must be an id, not -1"),
        ({"pad_token_id": None}, "pad_token_id must be an id, not None"),
    ],
)
def test_positions_must_be_left_behind_those_of_padding(roberta, fields, problem):
    edit(roberta, CONFIG, **fields)
    assert_refused(roberta, CONFIG, problem)


def test_fields_that_are_missing_are_what_transformers_takes_them_for(tmp_path):
    write(tmp_path, CONFIG, {"model_type": "roberta"})
    assert open_preset(tmp_path).backbone_config == {
        "vocabulary_size": 50_265,
        "num_layers": 12,
        "num_heads": 12,
        "hidden_dim": 768,
        "intermediate_dim": 3072,
        "dropout": 0.1,
        "max_sequence_length": 510,
        "layer_norm_epsilon": 1e-12,
        "activation": "gelu",
    }


def test_code_that_a_preset_brings_is_not_run(bert, tmp_path):
    (bert / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    edit(bert, CONFIG, auto_map={"AutoModel": "trap.Trap"})
    BertClassifier.from_preset(bert)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id2label": {"0": "a", "2": "b"}}, "id2label must name the classes 0 to 1"),
        ({"id2label": {}}, "id2label must name the classes"),
        ({"id2label": {"0": "a", "1": "a"}}, "id2label gives two classes the same name"),
        ({"id2label": {"0": "a", "1": 1}}, "id2label must be an object of strings"),
        ({"id2label": ["a", "b"]}, "id2label must be an object of strings"),
        ({"num_labels": 2}, "id2label names 3 classes, num_labels is 2"),
        ({"num_labels": "3"}, "num_labels must be a positive integer"),
        ({"num_labels": 10**9, "id2label": None}, "num_labels must be at most"),
        ({"problem_type": "regression"}, "a regression model"),
        ({"id2label": {"0": "score"}}, "a regression model"),
        ({"problem_type": "ranking"}, "problem_type 'ranking' is not one of single_label"),
        ({"classifier_dropout": 2}, "classifier_dropout must be a number from 0 up to 1"),
    ],
)
def test_classes_that_cannot_be_are_refused(bert, fields, problem):
    edit(bert, CONFIG, **fields)
    assert_refused(bert, CONFIG, problem)


def test_a_label_that_no_file_could_hold_is_refused(bert):
    edit(bert, CONFIG, id2label={"0": "a", "1": "HALF", "2": "c"})
    text = (bert / CONFIG).read_text("utf-8").replace("HALF", "\\ud800")
    (bert / CONFIG).write_text(text, "utf-8")
    assert_refused(bert, CONFIG, "id2label must be an object of strings")


def test_labels_come_in_the_order_of_their_ids(bert):
    edit(bert, CONFIG, id2label={str(i): f"class {i}" for i in reversed(range(12))})
    assert open_preset(bert).labels == [f"class {i}" for i in range(12)]


def test_classes_without_names_are_numbered(bert):
    edit(bert, CONFIG, id2label=None, num_labels=CLASSES)
    assert open_preset(bert).labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    edit(bert, CONFIG, num_labels=None)
    assert open_preset(bert).labels == ["LABEL_0", "LABEL_1"]


def test_labels_that_do_not_exclude_each_other_get_a_sigmoid(bert):
    assert not open_preset(bert).is_multi_label
    edit(bert, CONFIG, problem_type="multi_label_classification", classifier_dropout=0.3)
    preset = open_preset(bert)
    assert preset.is_multi_label
    assert preset.head_config == {"activation": "sigmoid", "dropout": 0.3}


def test_a_backbones_preset_has_no_labels_and_says_what_to_do(tmp_path):
    folder = make_folder(tmp_path, "bert")
    with pytest.raises(PresetError, match=r"has no classifier.*pipelines\.finetune"):
        _ = open_preset(folder).labels


def test_the_digest_changes_with_every_file_that_shapes_results(bert):
    write(bert, TOKENIZER, wordpiece_json())
    digests = {open_preset(bert).digest}
    files = [CONFIG, TOKENIZER, "vocab.txt"]
    for file in files:
        with (bert / file).open("ab") as stream:
            stream.write(b"\n")
        digests.add(open_preset(bert).digest)
    save_file(make_arrays("bert", head=True), bert / WEIGHTS, {"format": "pt"})
    digests.add(open_preset(bert).digest)
    assert len(digests) == 2 + len(files)


def test_no_weight_is_left_unset(bert):
    named = BertBackbone.from_preset(bert).named_weights()
    some = {name: weight for name, weight in arrays(named).items() if name != "pooler/bias"}
    with pytest.raises(KeyError, match="pooler/bias"):
        assign(named, some.items())
