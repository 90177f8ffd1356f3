import json
import time

import pytest

from models import BertBackbone, BertClassifier, PresetError
from models.presets.lookup import open_preset
from models.presets.preset import EmbeddingSettings
from tests.models.family_cases import embedder_of
from tests.models.presets.damage import (
    CONFIG,
    LABELS,
    PREPROCESSOR,
    TASK,
    TASK_WEIGHTS,
    TOKENIZER,
    VOCABULARY,
    WEIGHTS,
    assert_refused,
    edit,
)


def test_the_undamaged_preset_loads(preset, classifier):
    assert BertClassifier.from_preset(preset).labels == classifier.labels


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, VOCABULARY, WEIGHTS, TASK_WEIGHTS])
def test_a_missing_file_is_named(preset, file):
    (preset / file).unlink()
    assert_refused(preset, file, "no such file")


def test_a_folder_in_place_of_a_file_is_no_file(preset):
    (preset / CONFIG).unlink()
    (preset / CONFIG).mkdir()
    assert_refused(preset, CONFIG, "no such file")


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK, LABELS])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000],
    ids=["empty", "cut", "no UTF-8", "deep arrays", "deep objects", "long number"],
)
def test_what_is_no_json_is_refused(preset, file, content):
    (preset / file).write_bytes(content)
    assert_refused(preset, file, "not valid JSON")


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK, LABELS])
def test_a_huge_description_is_refused_unread(preset, file):
    with (preset / file).open("r+b") as stream:
        stream.truncate(10 << 30)
    assert_refused(preset, file, "larger than 4 MiB")


def test_a_huge_vocabulary_is_refused_unread(preset):
    with (preset / VOCABULARY).open("r+b") as stream:
        stream.truncate(10 << 30)
    assert_refused(preset, VOCABULARY, "larger than 128 MiB")


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK])
@pytest.mark.parametrize("field", ["x" * 3_000_000, "activation"])
def test_a_name_of_megabytes_is_not_said_in_full(preset, file, field):
    edit(preset, file, "config", field, ["y" * 500_000])
    with pytest.raises(PresetError) as caught:
        BertClassifier.from_preset(preset)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK])
@pytest.mark.parametrize("content", ["null", "[]", "{}", '"a"', '{"class_name": 1, "config": {}}'])
def test_json_of_another_shape_is_refused(preset, file, content):
    (preset / file).write_text(content)
    assert_refused(preset, file, "must be an object with `class_name` and `config`")


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK])
@pytest.mark.parametrize("class_name", ["os.system", "T5Backbone", "", "__import__"])
def test_an_unknown_class_is_refused_and_nothing_is_run(preset, tmp_path, file, class_name):
    marker = tmp_path / "ran"
    content = {
        "module": "os",
        "class_name": class_name,
        "config": {"command": f"touch {marker}"},
        "registered_name": class_name,
    }
    (preset / file).write_text(json.dumps(content))
    assert_refused(preset, file, f"class_name {class_name!r} is not ")
    assert not marker.exists()


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK])
def test_modules_that_a_description_names_are_not_imported(preset, tmp_path, monkeypatch, file):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    edit(preset, file, "module", "trap")
    edit(preset, file, "registered_name", "trap>Trap")
    BertClassifier.from_preset(preset)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, PREPROCESSOR, TASK])
def test_an_unknown_field_is_refused_with_the_known_ones(preset, file):
    edit(preset, file, "config", "surprise", 1)
    assert_refused(preset, file, "unknown field 'surprise'; known are ")


def test_a_misspelled_field_is_refused_with_the_nearest(preset):
    edit(preset, CONFIG, "config", "hiden_dim", 16)
    assert_refused(preset, CONFIG, "did you mean 'hidden_dim'?")


@pytest.mark.parametrize(
    "field",
    [
        *("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim"),
        *("max_sequence_length", "num_segments"),
    ],
)
@pytest.mark.parametrize("value", ["16", True, -1, 0, 2.0, None, [16]])
def test_a_size_must_be_a_positive_integer(preset, field, value):
    edit(preset, CONFIG, "config", field, value)
    assert_refused(preset, CONFIG, f"{field} must be a positive integer, not {value!r}")


@pytest.mark.parametrize(
    ("file", "field"),
    [(CONFIG, "dropout"), (CONFIG, "layer_norm_epsilon"), (TASK, "dropout")],
)
@pytest.mark.parametrize("value", ["0.1", True, -0.1, 1, float("nan"), float("inf"), None])
def test_a_share_must_be_a_number_below_one(preset, file, field, value):
    edit(preset, file, "config", field, value)
    assert_refused(preset, file, f"{field} must be a number from 0 up to 1, not {value!r}")


@pytest.mark.parametrize(
    ("file", "field", "value", "problem"),
    [
        (CONFIG, "activation", 3, "activation must not be 3"),
        (CONFIG, "activation", "os.system", "'os.system' is not known; choose from"),
        (CONFIG, "num_heads", 3, "hidden_dim is not a multiple of num_heads"),
        (CONFIG, "num_layers", 10**9, "num_layers must be at most"),
        (TOKENIZER, "config_file", "../../etc/passwd", "config_file must be 'tokenizer.json'"),
        (TOKENIZER, "vocabulary", "../../etc/passwd", "vocabulary must not be"),
        (TOKENIZER, "vocabulary", ["[PAD]"], "vocabulary must not be"),
        (TOKENIZER, "lowercase", "yes", "lowercase must not be 'yes'"),
        (TOKENIZER, "split", False, "split must be True, not False"),
        (TOKENIZER, "suffix_indicator", "@@", "suffix_indicator must be '##'"),
        (TOKENIZER, "oov_token", "<unk>", "oov_token must be '[UNK]'"),
        (PREPROCESSOR, "sequence_length", "24", "sequence_length must be a positive integer"),
        (PREPROCESSOR, "sequence_length", 0, "sequence_length must be a positive integer"),
        (PREPROCESSOR, "sequence_length", None, "sequence_length must be a positive integer"),
        (PREPROCESSOR, "truncate", "middle", "truncate must be one of round_robin, waterfall"),
        (PREPROCESSOR, "tokenizer", "os.system", "tokenizer must not be 'os.system'"),
        (TASK, "num_classes", "3", "num_classes must be a positive integer"),
        (TASK, "num_classes", True, "num_classes must be a positive integer"),
        (TASK, "num_classes", None, "num_classes must be a positive integer"),
        (TASK, "num_classes", 10**9, "num_classes must be at most"),
        (TASK, "activation", 1, "activation must not be 1"),
        (TASK, "activation", "os.system", "os.system"),
        (TASK, "backbone", None, "backbone must not be None"),
    ],
)
def test_a_value_of_a_wrong_kind_is_named(preset, file, field, value, problem):
    edit(preset, file, "config", field, value)
    assert_refused(preset, file, problem)


@pytest.mark.parametrize(
    "field", ["vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim"]
)
@pytest.mark.parametrize("load_weights", [True, False])
def test_a_missing_field_is_named(preset, field, load_weights):
    content = json.loads((preset / CONFIG).read_bytes())
    del content["config"][field]
    (preset / CONFIG).write_text(json.dumps(content))
    with pytest.raises(PresetError, match=rf"config\.json: .*'{field}'"):
        BertBackbone.from_preset(preset, load_weights)


@pytest.mark.parametrize(
    "field", ["vocabulary_size", "hidden_dim", "intermediate_dim", "num_segments"]
)
def test_a_width_of_a_billion_fails_at_once_and_asks_for_no_memory(preset, field):
    edit(preset, CONFIG, "config", field, 10**9)
    start = time.monotonic()
    assert_refused(preset, WEIGHTS, "its configuration asks for")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("field", ["vocabulary_size", "intermediate_dim", "max_sequence_length"])
def test_random_weights_of_a_billion_rows_are_not_drawn(preset, field):
    edit(preset, CONFIG, "config", field, 10**9)
    with pytest.raises(PresetError, match="asks for more than 4000000000 parameters"):
        BertBackbone.from_preset(preset, load_weights=False)


def test_more_positions_than_the_backbone_has_are_refused(preset):
    edit(preset, PREPROCESSOR, "config", "sequence_length", 25)
    with pytest.raises(PresetError, match="at most 24 tokens, not a sequence_length of 25"):
        BertClassifier.from_preset(preset)


def test_a_family_is_not_taken_for_another(preset):
    class OtherBackbone(BertBackbone):
        family = "roberta"

    with pytest.raises(PresetError, match="of the family 'bert', not 'roberta'"):
        OtherBackbone.from_preset(preset)


# Vocabulary


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tokens: [*tokens[:-1], "film"], "holds 'film' twice"),
        (lambda tokens: [t for t in tokens if t != "[SEP]"], "lacks [SEP]"),
        (lambda tokens: [*tokens, "new"], "more than the"),
        (lambda tokens: [*tokens[:-1], "y" * 300], "must have at most 256 bytes"),
        (lambda tokens: [], "lacks [UNK], [CLS], [SEP], [PAD], [MASK]"),
    ],
    ids=["duplicate", "lacks [SEP]", "too many", "too long", "empty"],
)
def test_an_unusable_vocabulary_is_refused(preset, vocabulary, change, problem):
    (preset / VOCABULARY).write_text("".join(f"{token}\n" for token in change(vocabulary)))
    assert_refused(preset, VOCABULARY, problem)


def test_a_vocabulary_that_is_no_utf8_is_refused(preset):
    (preset / VOCABULARY).write_bytes("[PAD]\nfilé\n".encode("latin-1"))
    assert_refused(preset, VOCABULARY, "not UTF-8")


def test_a_vocabulary_may_be_smaller_than_the_embedding(preset, vocabulary):
    (preset / VOCABULARY).write_text("\n".join(vocabulary[:-3]))
    loaded = BertClassifier.from_preset(preset)
    assert loaded.preprocessor.tokenizer.vocabulary_size() == len(vocabulary) - 3


# Labels


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["a", "b"], "2 labels for 3 classes"),
        (["a", "b", "c", "d"], "4 labels for 3 classes"),
        (["a", "b", 3], "must be an array of strings"),
        (["a", "b", "\ud800"], "must be an array of strings"),
        ({"a": 0, "b": 1, "c": 2}, "must be an array of strings"),
    ],
)
def test_labels_must_name_each_class(preset, labels, problem):
    (preset / LABELS).write_text(json.dumps(labels))
    assert_refused(preset, LABELS, problem)


def test_classes_without_names_are_numbered(preset):
    (preset / LABELS).unlink()
    assert open_preset(preset).labels == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_a_backbones_preset_has_no_labels_and_says_what_to_do(classifier, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    with pytest.raises(PresetError, match=r"has no classifier.*pipelines\.finetune"):
        _ = open_preset(tmp_path).labels


@pytest.fixture
def embedder(classifier, tmp_path):
    embedder_of(classifier.backbone, classifier.preprocessor, EmbeddingSettings()).save_to_preset(
        tmp_path
    )
    return tmp_path


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("pooling_mode", "last", "pooling_mode 'last' is not one of mean, cls, max"),
        ("pooling_mode", None, "pooling_mode must not be None"),
        ("normalize", 1, "normalize must not be 1"),
        ("dense", 3, "unknown field 'dense'; known are backbone, "),
    ],
)
def test_an_embedder_that_cannot_be_is_refused(embedder, field, value, problem):
    edit(embedder, TASK, "config", field, value)
    with pytest.raises(PresetError, match=f"{TASK}: {problem}"):
        _ = open_preset(embedder).embedding


def test_an_embedder_of_another_family_is_refused(embedder):
    edit(embedder, TASK, "class_name", "XLMRobertaTextEmbedder")
    with pytest.raises(PresetError, match="'XLMRobertaTextEmbedder' is not 'BertTextEmbedder'"):
        _ = open_preset(embedder).embedding


def test_an_embedder_normalizes_the_mean_unless_it_says_otherwise(embedder):
    for field in ("pooling_mode", "normalize"):
        content = json.loads((embedder / TASK).read_bytes())
        del content["config"][field]
        (embedder / TASK).write_text(json.dumps(content))
    assert open_preset(embedder).embedding == EmbeddingSettings("mean", normalize=True)


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ([], "textbeam: must not be []"),
        ({"truncate": 1}, "textbeam: truncate must not be 1"),
        ({"truncate": "middle"}, "truncate must be one of round_robin, waterfall, longest_first"),
        ({"truncation_side": "up"}, "truncation_side must be one of right, left, not 'up'"),
        ({"side": "left"}, "textbeam: unknown field 'side'"),
    ],
    ids=["array", "number", "truncate", "side", "field"],
)
def test_own_settings_of_a_preprocessor_are_checked(preset, own, problem):
    edit(preset, PREPROCESSOR, "textbeam", own)
    assert_refused(preset, PREPROCESSOR, problem)
