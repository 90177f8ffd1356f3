import contextlib
import json
import struct
import time
import tracemalloc
import warnings

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models import (
    BertBackbone,
    BertClassifier,
    BertTokenizer,
    PresetError,
    RobertaBackbone,
    RobertaClassifier,
    XLMRobertaBackbone,
    XLMRobertaClassifier,
)
from models.backbone import arrays, assign
from models.distil_bert import DistilBertBackbone, DistilBertClassifier
from models.preset import EmbeddingSettings
from models.presets import open_preset
from tests.models.hugging_face_folders import (
    BYTE_PAIRS,
    CLASSES,
    LENGTH,
    WORDPIECE,
    byte_pair_json,
    edit,
    make_arrays,
    make_folder,
    save_shards,
    unigram_json,
    wordpiece_json,
    write,
)

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
CLASSES_OF = {
    "bert": (BertBackbone, BertClassifier),
    "roberta": (RobertaBackbone, RobertaClassifier),
    "xlm_roberta": (XLMRobertaBackbone, XLMRobertaClassifier),
    "distil_bert": (DistilBertBackbone, DistilBertClassifier),
}


@pytest.fixture
def bert(tmp_path):
    return make_folder(tmp_path / "bert", "bert", head=True)


@pytest.fixture
def roberta(tmp_path):
    return make_folder(tmp_path / "roberta", "roberta", head=True)


@pytest.fixture
def xlm_roberta(tmp_path):
    folder = make_folder(tmp_path / "xlm_roberta", "xlm_roberta", head=True)
    write(folder, TOKENIZER, unigram_json())
    return folder


def assert_refused(folder, file, problem, load=None):
    """One line that names the preset, the file and the problem; and no large memory on the way."""
    family = {"bert": "bert", "roberta": "roberta", "xlm_roberta": "xlm_roberta"}[folder.name]
    if load is None:

        def load(preset):
            open_preset(preset).tokenizer_arguments  # noqa: B018
            CLASSES_OF[family][1].from_preset(preset, preprocessor=None)

    tracemalloc.start()
    try:
        with pytest.raises(PresetError) as caught:
            load(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"preset {str(folder)!r}: {file}: "), message
    assert problem in message
    assert "\n" not in message
    assert peak < 64 << 20


# Weights


def test_the_format_is_told_by_what_config_json_says(bert):
    assert type(open_preset(bert)).__name__ == "HuggingFacePreset"
    write(bert, CONFIG, {})
    assert_refused(bert, CONFIG, "`class_name` and `config` (Keras Hub), or `model_type` (Hugging")


@pytest.mark.parametrize("family", CLASSES_OF)
def test_a_classifier_of_each_family_loads(tmp_path, family):
    folder = make_folder(tmp_path, family, head=True)
    preset = open_preset(folder)
    assert (preset.family, preset.max_sequence_length) == (family, LENGTH)
    classifier = CLASSES_OF[family][1].from_preset(folder, preprocessor=None)
    assert classifier.labels == ["bad", "so so", "good"]
    assert classifier.backbone.activation == "gelu"
    kernel = classifier.logits.kernel
    name = "classifier.out_proj" if "roberta" in family else "classifier"
    np.testing.assert_array_equal(kernel, load_file(folder / WEIGHTS)[f"{name}.weight"].T)


def test_query_key_and_value_are_one_transposed_kernel(bert):
    stored = load_file(bert / WEIGHTS)
    layer = "encoder.layer.1.attention.self"
    kernels = [stored[f"{layer}.{part}.weight"].T for part in ("query", "key", "value")]
    found = BertBackbone.from_preset(bert).named_weights()["encoder/1/qkv/kernel"]
    np.testing.assert_array_equal(found, np.concatenate(kernels, axis=1))


def test_positions_of_padding_are_dropped_and_the_segment_is_added(roberta):
    stored = load_file(roberta / WEIGHTS)
    positions = stored["embeddings.position_embeddings.weight"][2:]
    found = RobertaBackbone.from_preset(roberta).named_weights()["embeddings/position"]
    expected = positions + stored["embeddings.token_type_embeddings.weight"][0]
    np.testing.assert_array_equal(found, expected)


def old_names(stored):
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in stored.items()
    }


def with_prefix(stored):
    return {
        name if name.startswith("classifier") else f"bert.{name}": array
        for name, array in stored.items()
    }


def with_other_heads(stored):
    return {
        **stored,
        "cls.predictions.bias": np.ones(3, np.float32),
        "embeddings.position_ids": np.arange(8)[None],
        "qa_outputs.weight": np.ones((2, 4), np.float32),
    }


def as_double(stored):
    return {name: array.astype(np.float64) for name, array in stored.items()}


@pytest.mark.parametrize("change", [old_names, with_prefix, with_other_heads, as_double])
def test_other_ways_to_store_the_same_weights_load_alike(bert, change):
    expected = arrays(BertBackbone.from_preset(bert).named_weights())
    save_file(change(load_file(bert / WEIGHTS)), bert / WEIGHTS)
    for name, array in arrays(BertClassifier.from_preset(bert).backbone.named_weights()).items():
        np.testing.assert_array_equal(array, expected[name])


def test_shards_load_as_one_file(bert):
    expected = arrays(BertBackbone.from_preset(bert).named_weights())
    save_shards(bert, load_file(bert / WEIGHTS))
    (bert / WEIGHTS).unlink()
    for name, array in arrays(BertBackbone.from_preset(bert).named_weights()).items():
        np.testing.assert_array_equal(array, expected[name])
    assert {INDEX, "model-1-of-2.safetensors"} < set(open_preset(bert).files)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_half_precision_is_widened(bert, dtype):
    stored = {name: array.astype(dtype) for name, array in load_file(bert / WEIGHTS).items()}
    save_file(stored, bert / WEIGHTS)
    found = BertBackbone.from_preset(bert).named_weights()["embeddings/token"]
    expected = stored["embeddings.word_embeddings.weight"].astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def change_weights(folder, **changes):
    """Replaces arrays by name; `None` removes one."""
    stored = {**load_file(folder / WEIGHTS), **changes}
    save_file({name: a for name, a in stored.items() if a is not None}, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("classifier.bias", None, "lacks 'classifier.bias'"),
        ("pooler.dense.weight", None, "lacks 'pooler.dense.weight'"),
        ("encoder.layer.1.output.dense.bias", None, "lacks 'encoder.layer.1.output.dense.bias'"),
        ("classifier.bias", np.ones(4, np.float32), "has the shape [4]; its configuration asks"),
        ("classifier.bias", np.ones((), np.float32), "has the shape []"),
        ("classifier.bias", np.ones(3, np.int64), "is of the type I64, not one of F64, F32"),
        ("encoder.layer.2.output.dense.bias", np.ones(4, np.float32), "its configuration lacks"),
        ("classifier.dense.weight", np.ones(4, np.float32), "'classifier.dense.weight', which its"),
        ("bert.pooler.dense.bias", np.ones(4, np.float32), "are the same weight"),
    ],
)
def test_a_weight_that_is_not_as_described_is_named(bert, name, array, problem):
    change_weights(bert, **{name: array})
    assert_refused(bert, WEIGHTS, problem)


def test_a_backbone_without_its_pooler_gets_a_new_one_and_says_so(tmp_path):
    folder = make_folder(tmp_path / "bert", "bert")
    assert open_preset(folder).has_pooler
    change_weights(folder, **{"pooler.dense.weight": None, "pooler.dense.bias": None})
    assert not open_preset(folder).has_pooler
    with pytest.warns(UserWarning, match="stores no pooler"):
        backbone = BertBackbone.from_preset(folder)
    kernel = backbone.pooler.kernel.numpy()
    assert 0.005 < kernel.std() < 0.04
    assert np.abs(kernel).max() <= 0.04
    np.testing.assert_array_equal(backbone.pooler.bias, np.zeros(4))


@pytest.mark.parametrize("family", CLASSES_OF)
def test_only_bert_has_a_pooler(tmp_path, family):
    folder = make_folder(tmp_path, family)
    assert open_preset(folder).has_pooler == (family == "bert")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CLASSES_OF[family][0].from_preset(folder)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"])
def test_weights_of_other_formats_are_refused_unread(bert, file):
    (bert / WEIGHTS).rename(bert / file)
    assert_refused(bert, file, "only safetensors are read, since other formats can run code")


def test_no_weights_at_all_are_refused(bert):
    (bert / WEIGHTS).unlink()
    assert_refused(bert, WEIGHTS, "no such file")


@pytest.mark.parametrize("share", [0, 0.0005, 0.01, 0.5, 0.99])
def test_truncated_weights_are_refused(bert, share):
    content = (bert / WEIGHTS).read_bytes()
    (bert / WEIGHTS).write_bytes(content[: int(share * len(content))])
    assert_refused(bert, WEIGHTS, "safetensors (")


def with_header(header, data=b"\0" * 64):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 62) + b"{}",
        with_header(b"[" * 100_000),
        with_header(b"\xff\xfe"),
        with_header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 1 << 40]}}),
        with_header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [64, 0]}}),
        with_header({"a": {"dtype": "F32", "shape": [-16], "data_offsets": [0, 64]}}),
        with_header({"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 64]}}),
        with_header({"a": {"dtype": "O", "shape": [16], "data_offsets": [0, 64]}}),
        with_header(
            {
                "a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]},
                "b": {"dtype": "F32", "shape": [8], "data_offsets": [32, 64]},
            }
        ),
    ],
    ids=[
        *("endless header", "deep", "no UTF-8", "beyond the end", "backwards", "negative"),
        *("overflow", "no type", "overlap"),
    ],
)
def test_a_forged_header_is_refused(bert, content):
    (bert / WEIGHTS).write_bytes(content)
    assert_refused(bert, WEIGHTS, "safetensors (")


def test_a_header_of_gigabytes_is_refused_unread(bert):
    with (bert / WEIGHTS).open("r+b") as stream:
        stream.truncate(10 << 30)
        stream.write(struct.pack("<Q", 5 << 30))
    assert_refused(bert, WEIGHTS, "a header of 5368709120 bytes")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1))
def test_whatever_is_damaged_in_a_header_loads_or_is_refused(bert, changes):
    intact = bert / "intact"
    if not intact.exists():
        (bert / WEIGHTS).rename(intact)
    content = bytearray(intact.read_bytes())
    for at, byte in changes:
        content[at] = byte
    (bert / WEIGHTS).write_bytes(content)
    preset = open_preset(bert)
    # Anything else than these errors fails the test.
    with contextlib.suppress(PresetError):
        for name, array in preset.backbone_weights(CONFIG_OF):
            assert array.dtype == np.float32, name


CONFIG_OF = {
    "vocabulary_size": len(WORDPIECE),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 4,
    "intermediate_dim": 6,
    "max_sequence_length": LENGTH,
    "num_segments": 2,
}


@pytest.mark.parametrize(
    "shard",
    [
        *("../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\b.safetensors"),
        *("pytorch_model.bin", 3, None, "a\0.safetensors"),
    ],
)
def test_an_index_does_not_lead_out_of_the_folder(bert, shard):
    (bert / WEIGHTS).unlink()
    write(bert, INDEX, {"weight_map": {"classifier.bias": shard}})
    assert_refused(bert, INDEX, f"{shard!r} is no name of a safetensors file")


def test_a_missing_shard_is_named(bert):
    save_shards(bert, load_file(bert / WEIGHTS))
    (bert / WEIGHTS).unlink()
    (bert / "model-2-of-2.safetensors").unlink()
    assert_refused(bert, "model-2-of-2.safetensors", "no such file")


def test_a_weight_that_no_shard_holds_is_named(bert):
    stored = load_file(bert / WEIGHTS)
    del stored["classifier.bias"]
    save_shards(bert, stored)
    (bert / WEIGHTS).unlink()
    assert_refused(bert, INDEX, "lacks 'classifier.bias'")


def test_a_name_that_no_file_can_have_is_that_of_a_missing_file(bert):
    (bert / WEIGHTS).unlink()
    shard = "a" * 300 + ".safetensors"
    write(bert, INDEX, {"weight_map": {"classifier.bias": shard}})
    assert_refused(bert, shard, "no such file")


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}, {"weight_map": {}}])
def test_an_index_of_another_shape_is_refused(bert, index):
    (bert / WEIGHTS).unlink()
    write(bert, INDEX, index)
    assert_refused(bert, INDEX, "must be an object with `weight_map`")


# Configuration


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("model_type", "gpt2", "model_type 'gpt2' is not one of bert, roberta, xlm-roberta, dist"),
        ("model_type", ["bert"], "model_type ['bert'] is not one of"),
        ("hidden_act", "silu", "hidden_act 'silu' is not one of gelu, "),
        ("hidden_act", 1, "hidden_act 1 is not one of gelu, "),
        ("position_embedding_type", "relative_key", "position_embedding_type must be 'absolute'"),
        ("is_decoder", True, "is_decoder must be False, not True"),
        ("add_cross_attention", True, "add_cross_attention must be False"),
        ("quantization_config", {"load_in_8bit": True}, "quantization_config must be None"),
        ("pruned_heads", {"1": [0]}, "pruned_heads must be {}"),
        ("num_attention_heads", 3, "hidden_size 4 is no multiple of num_attention_heads 3"),
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


# Classes


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
        ({"problem_type": "regression"}, "a model of regression"),
        ({"id2label": {"0": "score"}}, "a model of regression"),
        ({"problem_type": "ranking"}, "problem_type 'ranking' is not one of single_label"),
        ({"classifier_dropout": 2}, "classifier_dropout must be a number from 0 up to 1"),
    ],
)
def test_classes_that_cannot_be_are_refused(bert, fields, problem):
    edit(bert, CONFIG, **fields)
    assert_refused(bert, CONFIG, problem)


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


# Tokenizers


def tokenizer_arguments(folder):
    return open_preset(folder).tokenizer_arguments


def test_wordpiece_lowercases_unless_a_file_says_otherwise(bert):
    assert tokenizer_arguments(bert) == {"vocabulary": WORDPIECE, "lowercase": True}
    content = wordpiece_json()
    content["normalizer"]["lowercase"] = False
    write(bert, TOKENIZER, content)
    assert tokenizer_arguments(bert) == {"vocabulary": WORDPIECE, "lowercase": False}


@pytest.mark.parametrize(
    ("tokenizer_class", "expected"),
    [("BertTokenizer", False), (None, False), ("PreTrainedTokenizerFast", True)],
)
def test_settings_of_berts_own_classes_come_before_tokenizer_json(bert, tokenizer_class, expected):
    write(bert, TOKENIZER, wordpiece_json())
    write(bert, SETTINGS, {"do_lower_case": False, "tokenizer_class": tokenizer_class})
    assert tokenizer_arguments(bert)["lowercase"] is expected


def test_a_folder_with_tokenizer_json_alone_has_a_tokenizer(bert):
    write(bert, TOKENIZER, wordpiece_json())
    (bert / "vocab.txt").unlink()
    assert BertTokenizer.from_preset(bert)("A [sep] b").numpy().tolist() == [5, 1, 1, 1, 6]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "before", "expected"),
    [
        (True, None, False, {"lowercase": True}),
        (True, True, False, {"lowercase": True}),
        (True, False, False, {"lowercase": True, "strip_accents": False}),
        (False, True, False, {"lowercase": False, "strip_accents": True}),
        (False, None, True, {"lowercase": True, "strip_accents": False}),
    ],
)
@pytest.mark.parametrize("file", [TOKENIZER, SETTINGS])
def test_accents_are_a_setting_of_their_own_where_it_differs(
    bert, file, lowercase, strip_accents, before, expected
):
    write(bert, "sentence_bert_config.json", {"do_lower_case": before})
    if file == TOKENIZER:
        content = wordpiece_json()
        content["normalizer"] |= {"lowercase": lowercase, "strip_accents": strip_accents}
    else:
        content = {"do_lower_case": lowercase, "strip_accents": strip_accents}
    write(bert, file, content)
    arguments = tokenizer_arguments(bert)
    del arguments["vocabulary"]
    assert arguments == expected


@pytest.mark.parametrize("merge", [["a", "b"], "a b"])
@pytest.mark.parametrize("file", [TOKENIZER, "vocab.json"])
def test_byte_pairs_come_with_their_merges_in_both_spellings(roberta, file, merge):
    if file == TOKENIZER:
        content = byte_pair_json()
        content["model"]["merges"] = [merge]
        write(roberta, TOKENIZER, content)
        (roberta / "vocab.json").unlink()
    vocabulary = {token: index for index, token in enumerate(BYTE_PAIRS)}
    assert tokenizer_arguments(roberta) == {"vocabulary": vocabulary, "merges": ["a b"]}


def test_a_unigram_vocabulary_becomes_a_sentence_piece_model(xlm_roberta):
    proto = tokenizer_arguments(xlm_roberta)["proto"]
    tokenizer = tensorflow_text.SentencepieceTokenizer(proto, tf.string)
    names = tokenizer.id_to_string(tf.range(tokenizer.vocab_size())).numpy().tolist()
    assert [name.decode() for name in names] == [
        *("<unk>", "<s>", "</s>", "\u2581a", "b", "\u2581", "a", "ab"),
    ]
    ids = tensorflow_text.SentencepieceTokenizer(proto).tokenize(["a  b<s>", ""]).to_list()
    assert ids == [[3, 5, 4, 0], []]


def test_a_sentence_piece_model_is_taken_as_it_is(xlm_roberta):
    (xlm_roberta / "sentencepiece.bpe.model").write_bytes(b"model")
    assert tokenizer_arguments(xlm_roberta) == {"proto": b"model"}


def at(content, path, value):
    """Sets what is at a path of keys; returns the whole."""
    part = content
    *keys, last = path.split("/")
    for key in keys:
        part = part[int(key) if key.isdigit() else key]
    part[last] = value
    return content


@pytest.mark.parametrize(
    ("family", "path", "value", "problem"),
    [
        ("bert", "normalizer", None, "normalizer is None, which is not supported"),
        ("bert", "normalizer/type", "NFC", "normalizer.type 'NFC' is not supported"),
        ("bert", "normalizer/handle_chinese_chars", False, "normalizer.handle_chinese_chars False"),
        ("bert", "normalizer/clean_text", False, "normalizer.clean_text False is not supported"),
        ("bert", "normalizer/lowercase", 1, "normalizer.lowercase 1 is not supported; must be"),
        ("bert", "pre_tokenizer/type", "Whitespace", "pre_tokenizer.type 'Whitespace' is not"),
        ("bert", "model/type", "BPE", "model.type 'BPE' is not supported; must be 'WordPiece'"),
        ("bert", "model/continuing_subword_prefix", "@@", "model.continuing_subword_prefix '@@'"),
        ("bert", "model/max_input_chars_per_word", 200, "model.max_input_chars_per_word 200"),
        ("bert", "model/vocab", [], "model.vocab must be an object of ids by token"),
        ("bert", "model/vocab", {"a": 0, "b": 2}, "should have"),
        ("bert", "model/vocab", {"a": "0"}, "model.vocab must be an object of ids by token"),
        ("bert", "model/vocab/[SEP]", 9, "'[SEP]' has the ids 9 and 3"),
        ("bert", "added_tokens", [{"id": 15, "content": "<e1>"}], "added token '<e1>' is not"),
        ("bert", "added_tokens", [{"id": 15}], "added_tokens must be an array of objects"),
        ("roberta", "normalizer", {"type": "Lowercase"}, "a normalizer is not supported"),
        ("roberta", "pre_tokenizer/add_prefix_space", True, "pre_tokenizer.add_prefix_space True"),
        ("roberta", "model/dropout", 0.1, "model.dropout 0.1 is not supported"),
        ("roberta", "model/byte_fallback", True, "model.byte_fallback True is not supported"),
        ("roberta", "model/merges", [1], "model.merges must be an array of pairs"),
        ("xlm_roberta", "normalizer/type", "NFKC", "normalizer.type 'NFKC' is not supported"),
        ("xlm_roberta", "normalizer/precompiled_charsmap", "?", "must be in base64"),
        ("xlm_roberta", "pre_tokenizer", None, "pre_tokenizer is None, which is not supported"),
        ("xlm_roberta", "pre_tokenizer/pretokenizers/1/prepend_scheme", "never", "prepend_scheme"),
        ("xlm_roberta", "model/unk_id", 0, "model.unk_id 0 is not supported"),
        ("xlm_roberta", "model/vocab", [["<s>", 0.0]], "model.vocab must begin with <s>, <pad>"),
        ("xlm_roberta", "model/vocab", [["<s>"]], "must be an array of tokens with their scores"),
        ("xlm_roberta", "model/vocab", [["a", 10**400]], "tokens with their scores"),
        ("xlm_roberta", "added_tokens", [{"id": 4, "content": "<mask>"}], "has the id 4, should"),
    ],
)
def test_a_tokenizer_that_splits_otherwise_is_refused(request, family, path, value, problem):
    folder = request.getfixturevalue(family)
    content = {"bert": wordpiece_json, "roberta": byte_pair_json, "xlm_roberta": unigram_json}
    write(folder, TOKENIZER, at(content[family](), path, value))
    assert_refused(folder, TOKENIZER, problem)


@pytest.mark.parametrize(
    ("family", "file", "content", "problem"),
    [
        ("bert", SETTINGS, {"tokenize_chinese_chars": False}, "tokenize_chinese_chars False is"),
        ("bert", SETTINGS, {"do_lower_case": "yes"}, "do_lower_case 'yes' is not supported"),
        ("bert", SETTINGS, {"cls_token": "<s>"}, "cls_token must be '[CLS]', not '<s>'"),
        (
            "bert",
            SETTINGS,
            {"added_tokens_decoder": {"9": {"content": "<e>"}}},
            "added token '<e>'",
        ),
        ("bert", "special_tokens_map.json", {"sep_token": {"content": "|"}}, "sep_token must be"),
        ("bert", "added_tokens.json", {"<e1>": 15}, "the added token '<e1>' is not supported"),
        ("bert", SETTINGS, [], "must be an object"),
        ("roberta", SETTINGS, {"add_prefix_space": True}, "add_prefix_space True is not supported"),
        ("roberta", "vocab.json", [], "must be a JSON object of ids by token"),
    ],
)
def test_settings_that_tokenize_otherwise_are_refused(request, family, file, content, problem):
    folder = request.getfixturevalue(family)
    write(folder, file, content)
    assert_refused(folder, file, problem)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, SETTINGS, "sentence_bert_config.json"])
def test_what_is_no_json_is_refused(bert, file, content):
    write(bert, file, content)
    assert_refused(bert, file, "no valid JSON")


def test_a_missing_vocabulary_is_named(bert):
    (bert / "vocab.txt").unlink()
    assert_refused(bert, "vocab.txt", "no such file")


# Vectors


MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Norm", "type": "sentence_transformers.models.Normalize"},
]
POOLING = "1_Pooling/config.json"


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "cls", "embedding_dimension": 4}, "cls"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode_cls_token": False}, "mean"),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_is_what_sentence_transformers_wrote(bert, pooling, expected, normalize):
    write(bert, "modules.json", MODULES if normalize else MODULES[:2])
    write(bert, POOLING, pooling)
    preset = open_preset(bert)
    assert preset.embedding == EmbeddingSettings(expected, normalize)
    assert {"modules.json", POOLING} < set(preset.files)


def test_without_sentence_transformers_the_mean_is_taken(bert):
    assert open_preset(bert).embedding == EmbeddingSettings("mean", False)


def module(kind, path=""):
    return {"path": path, "type": kind}


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        (
            [*MODULES[:2], module("sentence_transformers.models.Dense", "2")],
            "'Pooling', 'Dense' are",
        ),
        ([module("custom.Transformer"), MODULES[1]], "'custom.Transformer', 'Pooling' are not"),
        (
            MODULES[:1],
            "the modules 'Transformer' are not supported; can be Transformer, Pooling or",
        ),
        ([{**MODULES[0], "path": "0_Bert"}, MODULES[1]], "the model must be in the folder itself"),
        ([MODULES[0], {**MODULES[1], "path": "../1_Pooling"}], "is no name of a folder"),
        ([MODULES[0], {**MODULES[1], "path": ".."}], "'..' is no name of a folder"),
        ([MODULES[0], {**MODULES[1], "path": "/etc"}], "'/etc' is no name of a folder"),
        ([{**MODULES[0], "type": "a\nb"}], "the modules 'a\\nb' are not supported"),
        ([MODULES[0], {"type": 1}], "each module must be an object with `type` and `path`"),
        ([], "must be an array of modules"),
        ({}, "must be an array of modules"),
    ],
)
def test_steps_that_are_not_computed_here_are_refused(bert, modules, problem):
    write(bert, "modules.json", modules)
    write(bert, POOLING, {"pooling_mode": "mean"})
    assert_refused(bert, "modules.json", problem, lambda folder: open_preset(folder).embedding)


@pytest.mark.parametrize(
    ("pooling", "problem"),
    [
        ({"pooling_mode": "lasttoken"}, "pooling 'lasttoken' is not one of cls, mean, max"),
        ({"pooling_mode": ["cls", "mean"]}, "pooling 'cls' and 'mean' is not one of"),
        ({"pooling_mode": {}}, "pooling {} is not one of"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "pooling 'mean_sqrt_len_tokens' is not"),
        ([], "must be an object"),
    ],
)
def test_other_poolings_are_refused(bert, pooling, problem):
    write(bert, "modules.json", MODULES)
    write(bert, POOLING, pooling)
    assert_refused(bert, POOLING, problem, lambda folder: open_preset(folder).embedding)


@pytest.mark.parametrize(
    ("sentence", "settings", "expected"),
    [
        ({"max_seq_length": 5}, {"model_max_length": 7}, 5),
        ({"max_seq_length": 100}, {}, LENGTH),
        ({"max_seq_length": None}, {"model_max_length": 7}, 7),
        ({}, {"model_max_length": 10**30}, None),
        ({}, {"model_max_length": 1e30}, None),
        ({}, {}, None),
    ],
)
def test_the_length_is_that_of_sentence_transformers_or_of_the_tokenizer(
    bert, sentence, settings, expected
):
    write(bert, "sentence_bert_config.json", sentence)
    write(bert, SETTINGS, settings)
    preset = open_preset(bert)
    assert preset.own_length == expected
    assert preset.sequence_length == (expected or LENGTH)


@pytest.mark.parametrize("length", [0, -1, "5", True])
def test_a_length_that_is_none_is_refused(bert, length):
    write(bert, "sentence_bert_config.json", {"max_seq_length": length})
    with pytest.raises(PresetError, match="max_seq_length must be a positive integer"):
        _ = open_preset(bert).own_length


def test_the_digest_changes_with_every_file_that_shapes_results(bert):
    write(bert, TOKENIZER, wordpiece_json())
    write(bert, "modules.json", MODULES)
    write(bert, POOLING, {"pooling_mode": "mean"})
    digests = {open_preset(bert).digest}
    files = [CONFIG, TOKENIZER, "vocab.txt", "modules.json", POOLING]
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
