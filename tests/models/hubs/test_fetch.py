import json
import subprocess
import sys

import pytest

from models.errors import PresetError
from models.hubs import store
from models.hubs.remote import RemoteFile, RemoteUri, files_of_a_preset
from models.presets.hugging_face_tokenizer import ALL_FILES
from models.presets.lookup import open_preset
from tests.models.hubs.fetching import (
    FILES,
    HF,
    KAGGLE,
    KERAS_FILES,
    ROOT,
    contents,
    hub_files,
    put,
)
from tests.models.hubs.hub_servers import COMMIT
from tests.models.presets.hugging_face_folders import make_folder, nested, write, write_modules


def test_a_repository_of_hugging_face_comes_without_what_a_preset_does_not_need(hub):
    assert contents(store.fetch(HF)) == FILES
    assert store.source(HF) == f"{HF}@{COMMIT}"


@pytest.mark.parametrize("pooling", ["1_Pooling", "2_Pooling"])
def test_every_file_that_shapes_results_comes_with_a_preset(tmp_path, pooling):
    folder = make_folder(tmp_path, "bert", head=True)
    modules = [("", "Transformer"), (pooling, "Pooling")]
    write(
        folder,
        "modules.json",
        [{"path": p, "type": f"sentence_transformers.{t}"} for p, t in modules],
    )
    (folder / pooling).mkdir()
    settings = [f"sentence_{name}_config.json" for name in ("bert", "roberta", "xlm-roberta")]
    for file in (*ALL_FILES, *settings, f"{pooling}/config.json"):
        (folder / file).write_text("{}")
    shaping = open_preset(folder).files
    assert {*ALL_FILES, *settings, f"{pooling}/config.json"} <= set(shaping)
    found = files_of_a_preset(RemoteUri.parse(HF), [RemoteFile(file, 1) for file in shaping])
    assert [file.name for file in found] == sorted(shaping)


def test_a_model_in_a_folder_of_its_own_comes_with_its_modules(tmp_path):
    folder = make_folder(tmp_path / "bert", "bert")
    dense = {"in_features": 4, "out_features": 4}
    write_modules(folder, ("Pooling", {"pooling_mode": "cls"}), ("Dense", dense))
    folder = nested(folder, tmp_path / "nested")
    for file in ("2_Dense/model.safetensors", "config_sentence_transformers.json"):
        (folder / file).write_text("{}")
    shaping = open_preset(folder).files
    assert {"0_Transformer/vocab.txt", "2_Dense/model.safetensors"} < set(shaping)
    others = ["2_Dense/pytorch_model.bin", "onnx/model.onnx", "README.md"]
    files = [RemoteFile(file, 1) for file in (*shaping, *others)]
    found = files_of_a_preset(RemoteUri.parse(HF), files)
    assert [file.name for file in found] == sorted(shaping)


def test_a_model_of_kaggle_comes_in_its_newest_version(kaggle):
    assert contents(store.fetch(KAGGLE)) == KERAS_FILES
    assert store.source(KAGGLE) == f"{KAGGLE}/3"


def test_a_folder_of_a_bucket_comes_too(bucket):
    assert contents(store.fetch(f"{bucket}/")) == KERAS_FILES


@pytest.mark.parametrize("place", ["hub", "kaggle", "bucket"])
def test_one_file_is_read_without_the_others_and_not_kept(place, request):
    found = request.getfixturevalue(place)
    uri = {"hub": HF, "kaggle": KAGGLE}.get(place) or found
    assert store.fetch_file(uri, "README.md") == b"# tiny"
    assert store.fetch_file(uri, "training.json") is None
    assert store.cached(uri) is None


def test_a_large_file_of_a_bucket_comes_in_slices(bucket, monkeypatch):
    from models.hubs import buckets

    monkeypatch.setattr(buckets, "_SLICED_BYTES", 1000)
    assert contents(store.fetch(bucket)) == KERAS_FILES


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_revision_may_be_named(hub, revision):
    assert contents(store.fetch(f"{HF}@{revision}")) == FILES


def test_progress_ends_with_all_bytes(hub):
    seen = []
    store.fetch(HF, lambda done, total: seen.append((done, total)))
    total = sum(map(len, FILES.values()))
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)


def test_a_fetched_preset_needs_no_network(hub):
    folder = store.fetch(HF)
    hub.stop()
    assert store.fetch(HF) == store.cached(HF) == folder


def test_a_preset_that_was_not_fetched_is_not_in_the_cache(cache):
    assert store.cached(HF) is None
    assert not cache.exists()


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    assert store.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("TEXTBEAM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.cache_folder() == tmp_path / "xdg" / "textbeam"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.cache_folder() == tmp_path / ".cache" / "textbeam"


def test_a_branch_stays_what_it_was_until_it_is_refreshed(hub):
    folder = store.fetch(HF)
    hub.files["vocab.txt"] = b"[PAD]\n[UNK]\nnew\n"
    hub.commit = COMMIT[::-1]
    assert store.fetch(HF) == folder
    assert contents(folder) == FILES
    hub.fetched.clear()
    assert contents(store.fetch(HF, refresh=True)) == hub_files(hub)
    assert hub.fetched == [("vocab.txt", 0)]
    assert store.source(HF) == f"{HF}@{COMMIT[::-1]}"


def test_a_file_that_is_no_longer_there_goes_with_a_refresh(hub):
    store.fetch(HF)
    del hub.files["vocab.txt"]
    hub.commit = COMMIT[::-1]
    assert "vocab.txt" not in contents(store.fetch(HF, refresh=True))


def test_a_bucket_is_looked_at_again_when_it_is_refreshed(bucket):
    store.fetch(bucket)
    put(bucket, {"metadata.json": b"[]"})  # as long as before
    assert contents(store.fetch(bucket)) == KERAS_FILES
    assert contents(store.fetch(bucket, refresh=True))["metadata.json"] == b"[]"


def test_a_file_that_was_cut_is_fetched_again(hub):
    folder = store.fetch(HF)
    hub.fetched.clear()
    (folder / "model.safetensors").write_bytes(b"cut")
    assert store.cached(HF) is None
    assert contents(store.fetch(HF)) == FILES
    assert hub.fetched == [("model.safetensors", 0)]


def test_a_file_that_was_changed_is_found_by_its_digest(kaggle):
    folder = store.fetch(KAGGLE)
    store.verify(KAGGLE)
    (folder / "model.weights.h5").write_bytes(b"x" * len(KERAS_FILES["model.weights.h5"]))
    with pytest.raises(PresetError, match=r"weights\.h5 in the cache has been damaged.*refresh"):
        store.verify(KAGGLE)
    assert contents(store.fetch(KAGGLE, refresh=True)) == KERAS_FILES


def test_a_manifest_that_cannot_be_read_counts_as_none(hub):
    manifest = store.fetch(HF).parent / "manifest.json"
    manifest.write_text("{")
    assert store.cached(HF) is None
    assert contents(store.fetch(HF)) == FILES


def test_the_manifest_has_the_origin_and_a_digest_of_each_file(hub):
    manifest = json.loads((store.fetch(HF).parent / "manifest.json").read_bytes())
    assert manifest["uri"] == HF
    assert manifest["source"] == f"{HF}@{COMMIT}"
    assert set(manifest["files"]) == set(FILES)
    assert manifest["files"]["vocab.txt"]["bytes"] == len(FILES["vocab.txt"])


def test_the_clients_of_hubs_are_imported_only_when_they_are_needed():
    code = (
        "import sys, models.hubs.store; "
        "print([m for m in ('huggingface_hub', 'kagglehub', 'google.cloud.storage', 'tensorflow',"
        " 'apache_beam') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
