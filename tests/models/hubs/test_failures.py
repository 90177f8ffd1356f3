import signal
import sys
import time
from pathlib import Path

import pytest

from models.errors import PresetError
from models.hubs import remote, store
from models.hubs.remote import RemoteFile, Snapshot
from tests.models.hubs.fetching import (
    FILES,
    HF,
    KAGGLE,
    KERAS_FILES,
    contents,
    entries,
    fetch_in_a_process,
    hub_files,
)
from tests.models.hubs.hub_servers import LARGE


def test_a_lost_connection_to_hugging_face_is_taken_up_where_it_was_lost(hub):
    hub.files["model.safetensors"] = bytes(24 << 20)  # the client writes blocks of 10 MB
    hub.trouble.drops["model.safetensors"] = [12 << 20]
    assert contents(store.fetch(HF)) == hub_files(hub)
    firsts = [first for name, first in hub.fetched if name == "model.safetensors"]
    assert len(firsts) == 2
    assert firsts[1] > 0


@pytest.mark.slow
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
    from models.hubs import kaggle as kaggle_hub

    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(kaggle_hub, "_TIMEOUTS", (1, 0.1))
    kaggle.trouble.stalls.add("config.json")
    with pytest.raises(PresetError, match=r"cannot be fetched \(.*timed out"):
        store.fetch(KAGGLE)


@pytest.mark.parametrize(
    ("name", "large"), [("model.safetensors", True), ("vocab.txt", False)], ids=["LFS", "Git"]
)
def test_a_wrong_checksum_at_hugging_face_publishes_nothing(hub, cache, name, large):
    assert name.endswith(LARGE) == large
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
    with pytest.raises(PresetError, match="damaged in transit: its checksum does not match"):
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
    with pytest.raises(PresetError, match=r"hub answered 403.*presets fetch hf://textbeam/tiny"):
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


def test_two_processes_at_once_fetch_once(hub):
    hub.trouble.delay = 0.2
    processes = [fetch_in_a_process(HF) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert contents(Path(said[0][0].strip())) == FILES
    assert sorted(hub.fetched) == sorted((name, 0) for name in FILES)


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
    with pytest.raises(PresetError, match="there is no bucket"):
        store.fetch("gs://textbeam-none/preset")


def test_a_place_without_a_configuration_is_no_preset(hub):
    del hub.files["config.json"]
    with pytest.raises(PresetError, match=r"not a preset: it has no config\.json"):
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
    from models.hubs import buckets

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(buckets, "_RETRY", buckets._RETRY.with_timeout(2))
    with pytest.raises(PresetError, match=r"cannot be fetched \(.*--output=FOLDER"):
        store.fetch(gcs_bucket)


@pytest.mark.parametrize(
    "name", ["../config.json", "assets/../../x", "/etc/x", "assets//x", "a\\b"]
)
def test_a_file_outside_of_the_preset_is_refused(kaggle, cache, tmp_path, name):
    kaggle.files[name] = b"x"
    with pytest.raises(PresetError, match="outside its folder"):
        store.fetch(KAGGLE)
    assert entries(cache) == []
    assert kaggle.fetched == []


def test_a_link_that_leads_out_of_what_was_fetched_is_refused(cache, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("{}")

    class Linked(Snapshot):
        source = KAGGLE
        files = [RemoteFile("config.json", 2)]  # noqa: RUF012 - nobody changes it

        def download(self, files, folder):
            (folder / "config.json").symlink_to(tmp_path / "secret")

    monkeypatch.setattr(store, "_snapshot", lambda remote: Linked())
    with pytest.raises(PresetError, match=r"config\.json is a link that leads out of the preset"):
        store.fetch(KAGGLE)
    assert (tmp_path / "secret").read_text() == "{}"


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
    with pytest.raises(PresetError, match=r"must be fetched, but the disk .* GB free"):
        store.fetch(HF)
    assert hub.fetched == []
