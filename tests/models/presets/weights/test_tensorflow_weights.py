"""`tf_model.h5`: what transformers wrote for TensorFlow until its version 4."""

import h5py
import numpy as np
import pytest

from models.named_weights import arrays
from models.presets.lookup import open_preset
from tests.models.presets.hugging_face_folders import (
    CONFIGS,
    make_arrays,
    make_folder,
    make_tensorflow_folder,
    save_for_tensorflow,
)
from tests.models.presets.hugging_face_refusals import CLASSES_OF, assert_refused

FILE = "tf_model.h5"
KERNEL = "bert/tf_model/bert/encoder/layer_._1/output/dense/kernel:0"


@pytest.fixture
def bert(tmp_path):
    return make_tensorflow_folder(tmp_path / "bert", "bert")


def weights_of(folder, family):
    classifier = CLASSES_OF[family][1].from_preset(folder, preprocessor=None)
    return arrays(classifier.backbone.named_weights()) | arrays(classifier.named_head_weights())


@pytest.mark.parametrize("family", CONFIGS)
def test_the_weights_are_those_of_safetensors(tmp_path, family):
    expected = weights_of(make_folder(tmp_path / "a", family, head=True), family)
    found = weights_of(make_tensorflow_folder(tmp_path / "b", family), family)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def test_the_file_shapes_the_digest(bert):
    assert FILE in open_preset(bert).files
    before = open_preset(bert).digest
    with h5py.File(bert / FILE, "r+") as store:
        store[KERNEL][0, 0] += 1
    assert open_preset(bert).digest != before


def test_safetensors_are_read_first(bert):
    make_folder(bert, "bert", head=True)
    (bert / FILE).write_bytes(b"damaged")
    assert FILE not in open_preset(bert).files
    assert weights_of(bert, "bert")


def test_what_a_head_shares_with_the_backbone_counts_once(bert):
    expected = weights_of(bert, "bert")
    with h5py.File(bert / FILE, "r+") as store:
        path = "bert/embeddings/word_embeddings/weight:0"
        store[f"mlm___cls/tf_model/{path}"] = store[f"bert/tf_model/{path}"][()] + 1
        store["mlm___cls/tf_model/mlm___cls/predictions/bias:0"] = np.zeros(3)
    for name, array in weights_of(bert, "bert").items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_load(bert, dtype):
    expected = weights_of(bert, "bert")
    stored = make_arrays("bert", "bert.", head=True)
    save_for_tensorflow(bert / FILE, {name: a.astype(dtype) for name, a in stored.items()})
    for name, array in weights_of(bert, "bert").items():
        np.testing.assert_allclose(array, expected[name], atol=2e-3)


def replace(store, **arguments):
    shape = store[KERNEL].shape
    del store[KERNEL]
    store.create_dataset(KERNEL, **{"shape": shape, "dtype": "float32", **arguments})


def link(store):
    del store[KERNEL]
    store[KERNEL] = h5py.ExternalLink("/etc/passwd", "/")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda store: store.pop(KERNEL), "lacks 'encoder.layer.1.output.dense.weight'"),
        (link, "lacks 'encoder.layer.1.output.dense.weight'"),
        (lambda store: store.create_dataset("x/tf_model/x/y:0", data=[1.0]), "'x/tf_model/x/y:0'"),
        (lambda store: replace(store, shape=(4, 6)), "has the shape [6, 4]; its configuration"),
        (
            lambda store: replace(store, external=[("/etc/passwd", 0, 24)], dtype="uint8"),
            "lacks 'encoder.layer.1.output.dense.weight'",
        ),
        (lambda store: replace(store, external=[("/etc/passwd", 0, 96)]), "points to another file"),
        (
            lambda store: store.create_dataset("y/m/y/z:0", (1 << 40,), "f4", chunks=(1 << 20,)),
            "unpacks to ",
        ),
        (
            lambda store: replace(store, maxshape=(None, None), chunks=(1 << 14, 1 << 14)),
            "in chunks far larger than itself",
        ),
        (
            lambda store: replace(store, data=np.full((6, 4), np.nan)),
            "holds nan, not a finite number",
        ),
        (
            lambda store: store.create_dataset(KERNEL.removesuffix(":0"), data=np.ones((6, 4))),
            "are the same weight",
        ),
    ],
    ids=[
        *("missing", "link", "unknown", "shape", "bytes", "external", "huge", "chunks", "nan"),
        "twice",
    ],
)
def test_a_damaged_file_is_refused(bert, damage, problem):
    with h5py.File(bert / FILE, "r+") as store:
        damage(store)
    assert_refused(bert, FILE, problem)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(bert, share):
    content = (bert / FILE).read_bytes()
    (bert / FILE).write_bytes(content[: int(share * len(content))])
    assert_refused(bert, FILE, "cannot be read as HDF5 (")
