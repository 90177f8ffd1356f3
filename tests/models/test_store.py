import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import remote, store
from models.errors import PresetError
from tests.models.hub_servers import COMMIT, BucketServer, HuggingFaceServer, KaggleServer

ROOT = Path(__file__).parents[2]
HF = "hf://textbeam/tiny"
KAGGLE = "kaggle://keras/bert/keras/tiny"

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 800,
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "1_Pooling/config.json": b"{}",
}
KERAS_FILES = {
    "config.json": b'{"class_name": "BertBackbone"}',
    "assets/tokenizer/vocabulary.txt": b"[PAD]\n[UNK]\n",
    "metadata.json": b"{}",
    "model.weights.h5": bytes(range(256)) * 800,
    "tokenizer.json": b"{}",
}
UNWANTED = {
    "pytorch_model.bin": b"pickle",
    "assets/run.py": b"import os",
    "README.md": b"# tiny",
    "onnx/model.onnx": b"onnx",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEXTBEAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HuggingFaceServer]:
    server = HuggingFaceServer(FILES | UNWANTED)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.stop()


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """Kaggle's client lets no port be chosen, but a proxy."""
    server = KaggleServer(KERAS_FILES | UNWANTED)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HOME", str(tmp_path))  # no credentials of the user's
    yield server
    server.stop()


@pytest.fixture
def bucket(gcs_bucket: str) -> str:
    put(gcs_bucket, KERAS_FILES | UNWANTED)
    return gcs_bucket


@pytest.fixture
def bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """A bucket that can misbehave, for which `bucket` is too well-behaved."""
    server = BucketServer(KERAS_FILES)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    yield server
    server.stop()


def put(uri: str, files: dict[str, bytes]) -> None:
    from google.cloud import storage

    name, _, path = uri.removeprefix("gs://").partition("/")
    for file, content in files.items():
        storage.Client().bucket(name).blob(f"{path}/{file}").upload_from_string(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fetch_in_a_process(uri: str) -> subprocess.Popen[str]:
    code = "import sys; from models.store import fetch; print(fetch(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, uri],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def entries(cache: Path) -> list[str]:
    """Names of what is published in the cache."""
    folders = [path for path in cache.glob("presets/*") if path.is_dir()]
    return [path.name for path in folders if path.suffix not in (".partial", ".old")]


# What is fetched


def test_a_repository_of_hugging_face_comes_without_what_a_preset_does_not_need(hub):
    assert contents(store.fetch(HF)) == FILES
    assert store.source(HF) == f"{HF}@{COMMIT}"


def test_a_model_of_kaggle_comes_in_its_newest_version(kaggle):
    assert contents(store.fetch(KAGGLE)) == KERAS_FILES
    assert store.source(KAGGLE) == f"{KAGGLE}/3"


def test_a_folder_of_a_bucket_comes_too(bucket):
    assert contents(store.fetch(f"{bucket}/")) == KERAS_FILES


def test_a_large_file_of_a_bucket_comes_in_slices(bucket, monkeypatch):
    from models import buckets

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


# Newer states


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


def hub_files(hub: HuggingFaceServer) -> dict[str, bytes]:
    return {name: content for name, content in hub.files.items() if name not in UNWANTED}


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


# A damaged cache


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
    with pytest.raises(PresetError, match=r"model\.weights\.h5 in the cache was damaged.*refresh"):
        store.verify(KAGGLE)
    assert contents(store.fetch(KAGGLE, refresh=True)) == KERAS_FILES


def test_a_manifest_that_cannot_be_read_counts_as_none(hub):
    manifest = store.fetch(HF).parent / "manifest.json"
    manifest.write_text("{")
    assert store.cached(HF) is None
    assert contents(store.fetch(HF)) == FILES


# Lost connections and damage on the way


def test_a_lost_connection_to_hugging_face_is_taken_up_where_it_was_lost(hub):
    hub.files["model.safetensors"] = bytes(24 << 20)  # the client writes blocks of 10 MB
    hub.trouble.drops["model.safetensors"] = [12 << 20]
    assert contents(store.fetch(HF)) == hub_files(hub)
    firsts = [first for name, first in hub.fetched if name == "model.safetensors"]
    assert len(firsts) == 2
    assert firsts[1] > 0


def test_a_lost_connection_to_kaggle_is_taken_up_where_it_was_lost(kaggle):
    kaggle.files["model.weights.h5"] = bytes(range(256)) * (1 << 14)
    # Before it asks for the rest, the client asks for all, to learn the address; and leaves.
    kaggle.trouble.drops["model.weights.h5"] = [1_500_000, 1 << 30, 1_500_000]
    folder = store.fetch(KAGGLE)
    assert contents(folder)["model.weights.h5"] == kaggle.files["model.weights.h5"]
    firsts = [first for name, first in kaggle.fetched if name == "model.weights.h5"]
    assert firsts == [0, 0, 1 << 20, 0, 2 << 20]


def test_kaggle_is_asked_again_only_so_often(kaggle, cache, monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.01)
    kaggle.trouble.drops["model.weights.h5"] = [10] * 20
    with pytest.raises(PresetError, match=r"cannot be fetched \("):
        store.fetch(KAGGLE)
    assert entries(cache) == []
    kaggle.trouble.drops.clear()
    assert contents(store.fetch(KAGGLE)) == KERAS_FILES


def test_kaggle_is_given_up_when_it_falls_silent(kaggle, monkeypatch):
    from models import kaggle_hub

    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(kaggle_hub, "_TIMEOUTS", (1, 0.1))
    kaggle.trouble.stalls.add("config.json")
    with pytest.raises(PresetError, match=r"cannot be fetched \(.*timed out"):
        store.fetch(KAGGLE)


@pytest.mark.parametrize(
    ("name", "large"), [("model.safetensors", True), ("vocab.txt", False)], ids=["LFS", "Git"]
)
def test_a_wrong_checksum_at_hugging_face_publishes_nothing(hub, cache, name, large):
    assert (name in hub.large) == large
    hub.trouble.damaged.add(name)
    with pytest.raises(PresetError, match=f"{HF}.*{name} is damaged: its checksum"):
        store.fetch(HF)
    assert entries(cache) == []
    hub.trouble.damaged.clear()
    hub.fetched.clear()
    assert contents(store.fetch(HF)) == FILES
    assert hub.fetched == [(name, 0)]


def test_a_wrong_checksum_at_kaggle_publishes_nothing(kaggle, cache):
    kaggle.trouble.damaged.add("model.weights.h5")
    with pytest.raises(PresetError, match=r"model\.weights\.h5 is damaged: its checksum"):
        store.fetch(KAGGLE)
    assert entries(cache) == []
    kaggle.trouble.damaged.clear()
    assert contents(store.fetch(KAGGLE)) == KERAS_FILES


def test_a_lost_connection_to_a_bucket_is_taken_up_where_it_was_lost(bucket_server):
    bucket_server.trouble.drops["model.weights.h5"] = [70_000]
    assert contents(store.fetch("gs://textbeam/tiny")) == KERAS_FILES
    firsts = [first for name, first in bucket_server.fetched if name == "model.weights.h5"]
    assert len(firsts) == 2
    assert firsts[1] > 0


def test_a_wrong_checksum_in_a_bucket_publishes_nothing(bucket_server, cache):
    bucket_server.trouble.damaged.add("model.weights.h5")
    with pytest.raises(PresetError, match="damaged on its way: its checksum is another"):
        store.fetch("gs://textbeam/tiny")
    assert entries(cache) == []
    bucket_server.trouble.damaged.clear()
    bucket_server.fetched.clear()
    assert contents(store.fetch("gs://textbeam/tiny")) == KERAS_FILES
    assert bucket_server.fetched == [("model.weights.h5", 0)]


def test_a_bucket_that_grants_no_access_says_where_credentials_go(bucket_server):
    bucket_server.trouble.statuses["config.json"] = 403
    with pytest.raises(PresetError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        store.fetch("gs://textbeam/tiny")


def test_whole_files_are_not_fetched_twice_after_an_error(hub, cache):
    hub.trouble.statuses["model.safetensors"] = 403
    with pytest.raises(PresetError, match=r"the hub answers 403.*presets fetch hf://textbeam/tiny"):
        store.fetch(HF)
    assert entries(cache) == []
    hub.trouble.statuses.clear()
    hub.fetched.clear()
    assert contents(store.fetch(HF)) == FILES
    assert "config.json" not in {name for name, _ in hub.fetched}


@pytest.mark.parametrize("kind", ["hub", "kaggle"])
def test_a_killed_process_leaves_nothing_to_read_and_the_next_one_goes_on(request, cache, kind):
    server = request.getfixturevalue(kind)
    uri = {"hub": HF, "kaggle": KAGGLE}[kind]
    large = {"hub": "model.safetensors", "kaggle": "model.weights.h5"}[kind]
    server.trouble.stalls.add(large)
    process = fetch_in_a_process(uri)
    wait_until(lambda: (large, 0) in server.fetched)
    time.sleep(0.3)  # the half that is sent gets written
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.cached(uri) is None
    assert entries(cache) == []
    server.trouble.stalls.clear()
    server.fetched.clear()
    assert contents(store.fetch(uri)) == {"hub": FILES, "kaggle": KERAS_FILES}[kind]
    assert [name for name, _ in server.fetched if name == "config.json"] == []


def wait_until(happened, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_bucket_keeps_the_files_that_are_whole_and_replaces_the_others(bucket):
    folder = store.fetch(bucket)
    entry = folder.parent
    partial = entry.rename(entry.with_name(f"{entry.name}.partial"))
    (partial / "source").write_text(bucket)
    (partial / "manifest.json").unlink()
    weights = partial / "preset" / "model.weights.h5"
    weights.write_bytes(bytes(len(KERAS_FILES["model.weights.h5"])))  # a slice is missing
    kept = (partial / "preset" / "config.json").stat().st_mtime_ns
    assert contents(store.fetch(bucket)) == KERAS_FILES
    assert (folder / "config.json").stat().st_mtime_ns == kept


def test_a_process_that_ends_just_before_it_publishes_has_not_fetched_in_vain(hub, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "rename", lambda *_: sys.exit(9))
        with pytest.raises(SystemExit):
            store.fetch(HF)
    hub.fetched.clear()
    assert contents(store.fetch(HF)) == FILES
    assert hub.fetched == []


# Several processes


def test_two_processes_at_once_fetch_once(hub):
    hub.trouble.delay = 0.2
    processes = [fetch_in_a_process(HF) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert contents(Path(said[0][0].strip())) == FILES
    assert sorted(hub.fetched) == sorted((name, 0) for name in FILES)


# What cannot be fetched


def test_a_repository_that_does_not_exist_is_named(hub):
    with pytest.raises(PresetError, match=r"'hf://textbeam/none': no such repository.*HF_TOKEN"):
        store.fetch("hf://textbeam/none")


def test_a_revision_that_does_not_exist_is_named(hub):
    with pytest.raises(PresetError, match=r"no revision 'v9' in this repository"):
        store.fetch(f"{HF}@v9")


def test_a_model_that_kaggle_does_not_have_is_named(kaggle):
    with pytest.raises(
        PresetError, match=r"'kaggle://keras/bert/keras/tiny/9': Kaggle has no such"
    ):
        store.fetch(f"{KAGGLE}/9")
    with pytest.raises(PresetError, match="Kaggle has no framework 'cobol'"):
        store.fetch("kaggle://keras/bert/cobol/tiny")


def test_a_folder_that_is_not_in_the_bucket_is_named(gcs_bucket):
    with pytest.raises(PresetError, match="no such folder, or an empty one"):
        store.fetch(f"{gcs_bucket}/none")
    with pytest.raises(PresetError, match="no such bucket"):
        store.fetch("gs://textbeam-none/preset")


def test_a_place_without_a_configuration_is_no_preset(hub):
    del hub.files["config.json"]
    with pytest.raises(PresetError, match=r"no preset is there: it has no config\.json"):
        store.fetch(HF)


@pytest.mark.parametrize("uri", [HF, KAGGLE])
def test_without_a_network_the_error_says_how_to_fetch_ahead(hub, kaggle, uri):
    hub.stop()
    kaggle.stop()
    began = time.monotonic()
    expected = rf"'{uri}': cannot be fetched \(.*fetch {uri} --output=FOLDER"
    with pytest.raises(PresetError, match=expected) as caught:
        store.fetch(uri)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 10


def test_without_a_network_a_bucket_is_given_up_soon(gcs_bucket, monkeypatch):
    from models import buckets

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(buckets, "_RETRY", buckets._RETRY.with_timeout(2))
    with pytest.raises(PresetError, match=r"cannot be fetched \(.*--output=FOLDER"):
        store.fetch(gcs_bucket)


@pytest.mark.parametrize(
    "name", ["../config.json", "assets/../../x", "/etc/x", "assets//x", "a\\b"]
)
def test_a_file_outside_of_the_preset_is_refused(kaggle, cache, tmp_path, name):
    kaggle.files[name] = b"x"
    with pytest.raises(PresetError, match="outside of its folder"):
        store.fetch(KAGGLE)
    assert entries(cache) == []
    assert kaggle.fetched == []


@pytest.mark.parametrize(
    ("uri", "form"),
    [
        ("hf://tiny", "hf://owner/name[@revision]"),
        ("hf://a/b/c", "hf://owner/name[@revision]"),
        ("hf://a/b@", "hf://owner/name[@revision]"),
        ("hf://../b", "hf://owner/name[@revision]"),
        ("kaggle://keras/bert", "kaggle://owner/model/framework/variation[/version]"),
        ("kaggle://a/b/c/d/newest", "kaggle://owner/model/framework/variation[/version]"),
        ("gs://bucket", "gs://bucket/path"),
        ("gs://bucket/../other", "gs://bucket/path"),
        ("s3://bucket/path", "hf://owner/name[@revision], kaggle://"),
        ("https://huggingface.co/a/b", "hf://owner/name[@revision], kaggle://"),
    ],
)
def test_a_wrong_uri_is_answered_with_the_right_form(uri, form):
    with pytest.raises(PresetError) as caught:
        store.fetch(uri)
    assert repr(uri) in str(caught.value)
    assert form in str(caught.value)


def test_a_cache_that_cannot_be_written_names_the_variable_for_another(hub, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TEXTBEAM_CACHE", str(tmp_path / "file"))
    with pytest.raises(PresetError, match=r"the cache .*file cannot be used.*TEXTBEAM_CACHE"):
        store.fetch(HF)


def test_a_disk_that_is_too_small_is_found_before_anything_is_fetched(hub, monkeypatch):
    monkeypatch.setattr(store, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(PresetError, match=r"are to be fetched, and the disk .* GB free"):
        store.fetch(HF)
    assert hub.fetched == []


# The manifest


def test_the_manifest_has_the_origin_and_a_digest_of_each_file(hub):
    manifest = json.loads((store.fetch(HF).parent / "manifest.json").read_bytes())
    assert manifest["uri"] == HF
    assert manifest["source"] == f"{HF}@{COMMIT}"
    assert set(manifest["files"]) == set(FILES)
    assert manifest["files"]["vocab.txt"]["bytes"] == len(FILES["vocab.txt"])


def test_the_clients_of_hubs_are_imported_only_when_they_are_needed():
    code = (
        "import sys, models.store; "
        "print([m for m in ('huggingface_hub', 'kagglehub', 'google.cloud.storage', 'tensorflow',"
        " 'apache_beam') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
