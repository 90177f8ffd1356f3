import contextlib
import json
import shlex
import struct
import subprocess
import sys
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models import (
    BertBackbone,
    BertClassifier,
    PresetError,
    RobertaBackbone,
)
from models.named_weights import arrays
from models.presets.lookup import open_preset
from tests.models.presets.hugging_face_folders import (
    LENGTH,
    WORDPIECE,
    make_folder,
    save_shards,
    write,
)
from tests.models.presets.hugging_face_refusals import (
    CLASSES_OF,
    CONFIG,
    INDEX,
    WEIGHTS,
    assert_refused,
)


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
        ("pooler.dense.bias", None, "lacks 'pooler.dense.bias'"),
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
    kernel = np.asarray(backbone.pooler.kernel)
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


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_that_is_no_number_is_refused_with_its_weight(bert, dtype, value):
    name = "encoder.layer.1.output.dense.weight"
    array = load_file(bert / WEIGHTS)[name].astype(dtype)
    array[-1, -1] = value
    change_weights(bert, **{name: array})
    assert_refused(bert, WEIGHTS, f"the weight {name!r} holds {value}, not a finite number")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("pytorch_model.bin", "a pickle, which can run code, and not read; `pip install transf"),
        ("pytorch_model.bin.index.json", "a pickle, which can run code, and not read"),
        ("flax_model.msgpack", "of Flax, and not read; `pip install 'transformers<5' torch flax`"),
    ],
)
def test_weights_of_other_formats_are_refused_unread(bert, file, problem):
    (bert / WEIGHTS).rename(bert / file)
    assert_refused(bert, file, problem)


def test_a_variant_is_not_chosen_by_itself(bert):
    (bert / WEIGHTS).rename(bert / "model.fp16.safetensors")
    (bert / "pytorch_model.bin").write_bytes(b"")
    assert_refused(
        bert, "model.fp16.safetensors", "a variant of the weights; to use it, rename it to model.sa"
    )


@pytest.mark.parity
@pytest.mark.parametrize("head", [True, False])
def test_the_command_that_the_refusal_names_converts(tmp_path, head):
    torch = pytest.importorskip("torch", reason="needs the parity extra")
    pytest.importorskip("transformers", reason="needs the parity extra")
    folder = make_folder(tmp_path / "it's bert", "bert", head=head)
    expected = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    tensors = {name: torch.tensor(array) for name, array in expected.items()}
    prefixed = {
        name if name.startswith("classifier") else f"bert.{name}": tensor
        for name, tensor in tensors.items()
    }
    torch.save(prefixed if head else tensors, folder / "pytorch_model.bin")
    preset = open_preset(folder)
    with pytest.raises(PresetError) as caught:
        BertBackbone.from_preset(preset)
    command = shlex.split(str(caught.value).partition(": python ")[2])
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    converted = BertBackbone.from_preset(folder)
    found = arrays(converted.named_weights())["embeddings/token"]
    np.testing.assert_array_equal(found, expected["embeddings.word_embeddings.weight"])
    assert open_preset(folder).has_classifier == head
    if head:
        classifier = BertClassifier.from_preset(folder, preprocessor=None)
        kernel = arrays(classifier.named_head_weights())["logits/kernel"]
        np.testing.assert_array_equal(kernel, expected["classifier.weight"].T)


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
    assert_refused(bert, INDEX, f"{shard!r} is not the name of a safetensors file")


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
