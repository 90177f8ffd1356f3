from pathlib import Path

import h5py
import numpy as np
import pytest

from models import BertBackbone
from tests.models.presets.damage import (
    BIAS,
    CONFIG,
    POSITIONS,
    TASK_WEIGHTS,
    WEIGHTS,
    assert_refused,
    edit,
)


def replace(store, path, **dataset):
    del store[path]
    store.create_dataset(path, **dataset)


def link_out(store, path):
    other = Path(store.filename).with_name("other.h5")
    with h5py.File(other, "w") as target:
        target["array"] = store[path][()]
    del store[path]
    store[path] = h5py.ExternalLink(str(other), "array")


def store_outside(store, path):
    shape, outside = store[path].shape, Path(store.filename).with_name("outside.bin")
    outside.write_bytes(store[path][()].tobytes())
    external = [(str(outside), 0, h5py.h5f.UNLIMITED)]
    replace(store, path, shape=shape, dtype="f4", external=external)


def make_virtual(store, path):
    array = store[path][()]
    with h5py.File(Path(store.filename).with_name("other.h5"), "w") as other:
        other["array"] = array
        layout = h5py.VirtualLayout(array.shape, "f4")
        layout[...] = h5py.VirtualSource(other["array"])
    del store[path]
    store.create_virtual_dataset(path, layout)


@pytest.mark.parametrize("path", [POSITIONS, BIAS])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda store, path: store.__delitem__(path), "lacks {path!r}"),
        (lambda store, path: replace(store, path, data=np.zeros((2, 2, 2), "f4")), "has the shape"),
        (lambda store, path: replace(store, path, data=np.float32(1)), "has the shape []"),
        (lambda store, path: replace(store, path, data=b"os.system"), "lacks {path!r}"),
        (
            lambda store, path: replace(store, path, data=np.ones(store[path].shape, "i4")),
            "lacks {path!r}",
        ),
        (lambda store, path: store.create_dataset("new/vars/0", data=np.ones(2)), "'new/vars/0'"),
        (link_out, "lacks {path!r}"),
        (store_outside, "{path!r} points to another file"),
        (make_virtual, "{path!r} points to another file"),
    ],
    ids=[
        *("missing", "wrong shape", "scalar", "string", "integers", "extra"),
        *("external link", "external storage", "virtual"),
    ],
)
def test_an_array_that_is_not_as_described_is_named(preset, path, change, problem):
    with h5py.File(preset / WEIGHTS, "r+") as store:
        change(store, path)
    assert_refused(preset, WEIGHTS, problem.format(path=path))


def test_the_arrays_of_the_head_are_checked_too(preset):
    with h5py.File(preset / TASK_WEIGHTS, "r+") as store:
        replace(store, "layers/dense/vars/1", data=np.zeros(4, "f4"))
    assert_refused(preset, TASK_WEIGHTS, "'layers/dense/vars/1' has the shape [4]")


def test_an_array_that_unpacks_to_gigabytes_is_refused_unread(preset):
    size = 1 << 30
    edit(preset, CONFIG, "config", "max_sequence_length", size)
    with h5py.File(preset / WEIGHTS, "r+") as store:
        replace(store, POSITIONS, shape=(size, 16), dtype="f4", chunks=(1024, 16))
    assert (preset / WEIGHTS).stat().st_size < 1 << 20
    assert_refused(preset, WEIGHTS, "far more than its size")


def test_compressed_arrays_load(preset, classifier):
    with h5py.File(preset / WEIGHTS, "r+") as store:
        array = store[POSITIONS][()]
        replace(store, POSITIONS, data=array, compression="gzip")
    loaded = BertBackbone.from_preset(preset)
    np.testing.assert_array_equal(
        loaded.embeddings.position, classifier.backbone.embeddings.position
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("file", "path"), [(WEIGHTS, POSITIONS), (TASK_WEIGHTS, BIAS)])
def test_one_value_that_is_no_number_is_refused_with_its_weight(preset, file, path, value):
    with h5py.File(preset / file, "r+") as store:
        store[path][-1] = value
    assert_refused(preset, file, f"the weight {path!r} holds {value}, not a finite number")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_weights_are_refused(preset, share):
    content = (preset / WEIGHTS).read_bytes()
    (preset / WEIGHTS).write_bytes(content[: int(share * len(content))])
    assert_refused(preset, WEIGHTS, "cannot be read as HDF5")


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize("structure", [b"TREE", b"HEAP", b"SNOD", b"position_embedding"])
def test_damaged_weights_are_refused(preset, structure, which):
    content = (preset / WEIGHTS).read_bytes()
    at = content.index(structure) if which == "first" else content.rindex(structure)
    (preset / WEIGHTS).write_bytes(content[:at] + b"\xff\xfe" + content[at + 2 :])
    assert_refused(preset, WEIGHTS, "")
