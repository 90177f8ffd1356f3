import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.hubs import store
from models.presets import registry
from models.presets.registry import BUNDLED
from pipelines import preset_output
from pipelines.preset_output import copy_preset
from pipelines.presets import main
from tests.models.hubs.hub_servers import COMMIT, HuggingFaceServer
from tests.pipelines.command_runs import (
    ENVIRONMENT,
    ROOT,
    Run,
    TerminalProcess,
    run,
    run_process,
    screen,
)

HF = "hf://textbeam/tiny"
REGISTERED = (*registry.PRESETS, *registry.EMBEDDERS)
FOLDER = BUNDLED / "sentiment_tiny_en"
# What a preset needs of it; a hub's other files are left there.
NEEDED = {
    name: (FOLDER / name).read_bytes()
    for name in (
        *("config.json", "labels.json", "metadata.json", "model.weights.h5", "preprocessor.json"),
        *("task.json", "task.weights.h5", "tokenizer.json", "assets/tokenizer/vocabulary.txt"),
    )
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HuggingFaceServer]:
    server = HuggingFaceServer(NEEDED)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.stop()


@pytest.mark.parametrize(
    "given", [["list"], ["list", "--json"], ["show"], ["digest"]], ids=" ".join
)
def test_what_cannot_be_printed_is_not_lost_in_silence(given, tmp_path):
    name = [] if given[0] == "list" else ["sentiment_tiny_en"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.presets", *given, *name],
            cwd=ROOT, env={**ENVIRONMENT, "PYTHONUNBUFFERED": ""}, stdout=full,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    told = "error: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in this process."""
    return lambda *arguments: run(main, tmp_path, *arguments)


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_bucket(uri: str) -> dict[str, bytes]:
    from google.cloud import storage

    name, _, path = uri.removeprefix("gs://").partition("/")
    blobs = storage.Client().list_blobs(name, prefix=f"{path}/")
    return {blob.name.removeprefix(f"{path}/"): blob.download_as_bytes() for blob in blobs}


# list and show


def test_the_list_has_the_presets_with_names_and_where_they_are(command):
    done = command("list")
    assert done.code == 0
    for preset in REGISTERED:
        [line] = [line for line in done.out.splitlines() if line.startswith(f"{preset.name} ")]
        assert preset.description in line
        assert "to fetch" in line
    assert "bundled" in done.out.splitlines()[1]


def test_the_list_fits_a_narrow_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = screen(command("list").out)
    assert len(lines) == 3 + len(REGISTERED)
    assert all(line.endswith(("state", "bundled", "to fetch")) for line in lines)


def test_without_a_word_what_to_do_the_words_are_named(command):
    found = command()
    assert (found.code, found.error) == (2, "say what to do: list, show, fetch or digest")


def test_a_list_for_programs_has_the_same_presets(command):
    found = {preset["name"]: preset for preset in json.loads(command("list", "--json").out)}
    assert found.keys() == {"embedding_tiny_en", "sentiment_tiny_en"} | {
        preset.name for preset in REGISTERED
    }
    assert found["roberta_base"]["parameters"] == 124_052_736
    assert found["sentiment_tiny_en"]["state"] == "bundled"
    assert found["sentiment_tiny_en"]["lowercase"] is True
    assert found["sentiment_tiny_en"]["folder"] == str(FOLDER)


def test_a_registered_preset_is_shown_offline(command):
    shown = json.loads(command("show", "bert_base_en", "--json").out)
    assert shown["name"] == "bert_base_en_cased"
    assert shown["aliases"] == ["bert_base_en"]
    assert shown["config"]["hidden_dim"] == 768
    assert shown["uri"] == "kaggle://keras/bert/keras/bert_base_en/3"
    assert (shown["state"], shown["folder"]) == ("to fetch", None)
    text = command("show", "bert_tiny_en_uncased_sst2").out
    assert "negative, positive" in text
    assert "4,385,920" in text
    assert "python -m pipelines.presets fetch bert_tiny_en_uncased_sst2" in text


def test_a_folder_is_shown(command, tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "mine")
    shown = json.loads(command("show", str(folder), "--json").out)
    assert shown["state"] == "local"
    assert shown["family"] == "bert"
    assert shown["labels"] == ["negative", "positive"]
    assert shown["sequence_length"] == 128
    assert shown["config"]["vocabulary_size"] == 6_200


def test_a_uri_is_shown_before_and_after_it_is_fetched(command, hub):
    before = json.loads(command("show", HF, "--json").out)
    assert (before["state"], before["family"], before["config"]) == ("to fetch", None, None)
    assert f"fetch {HF}" in command("show", HF).out
    assert command("fetch", HF).code == 0
    after = json.loads(command("show", HF, "--json").out)
    assert (after["state"], after["family"]) == ("cached", "bert")
    assert after["source"] == f"{HF}@{COMMIT}"
    assert after["folder"] == str(store.cached(HF))


# digest


def test_the_digest_is_the_same_wherever_the_preset_is(command, hub, tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "mine")
    digests = {command("digest", where).out for where in ("sentiment_tiny_en", str(folder), HF)}
    assert len(digests) == 1
    [digest] = digests
    assert digest.startswith("sha256:")
    assert json.loads(command("digest", HF, "--json").out) == {
        "name": HF,
        "digest": digest.strip(),
    }


# fetch


@pytest.mark.parametrize("arguments", [("fetch", HF), ("show", HF), ("digest", HF)])
def test_a_cache_that_others_can_write_to_is_refused_in_one_line(command, hub, cache, arguments):
    assert command("fetch", HF).code == 0
    cache.chmod(0o777)
    said = f"the cache of presets {cache} is not used: other users can write to {cache}: run chmod"
    assert command(*arguments).error.startswith(said)


def test_fetch_brings_a_preset_to_the_cache(command, hub):
    done = json.loads(command("fetch", HF, "--json").out)
    assert read(Path(done["folder"])) == NEEDED
    assert (done["source"], done["output"]) == (f"{HF}@{COMMIT}", None)
    assert done["bytes"] == sum(map(len, NEEDED.values()))


def test_fetch_copies_to_a_folder_and_says_what_a_job_says(command, hub, tmp_path):
    output = tmp_path / "presets" / "tiny"
    done = command("fetch", HF, f"--output={output}/")
    assert done.code == 0
    assert read(output) == NEEDED
    assert f"--preset={output}" in done.out
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]


def test_fetch_copies_to_a_bucket(command, hub, gcs_bucket):
    output = f"{gcs_bucket}/presets/tiny"
    done = command("fetch", HF, f"--output={output}")
    assert done.code == 0
    assert f"--preset={output}" in done.out
    assert read_bucket(output) == NEEDED


def test_what_is_in_a_bucket_is_a_preset_again(command, gcs_bucket):
    command("fetch", "sentiment_tiny_en", f"--output={gcs_bucket}/tiny")
    assert command("digest", f"{gcs_bucket}/tiny").out == command("digest", "sentiment_tiny_en").out


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_an_equal_output_is_left_alone(command, request, tmp_path, where):
    bucket = request.getfixturevalue("gcs_bucket") if where == "bucket" else ""
    output = f"{bucket}/tiny" if bucket else str(tmp_path / "tiny")
    copied = [
        json.loads(command("fetch", "sentiment_tiny_en", f"--output={output}", "--json").out)
        for _ in range(2)
    ]
    assert [run["copied"] for run in copied] == [True, False]


def test_an_output_that_differs_is_refused(command, tmp_path):
    output = Path(shutil.copytree(FOLDER, tmp_path / "other"))
    (output / "labels.json").write_text('["bad", "good"]')
    before = read(output)
    error = command("fetch", "sentiment_tiny_en", f"--output={output}").error
    assert f"--output={output} exists and is another preset: it differs in labels.json" in error
    assert read(output) == before
    (output / "labels.json").unlink()
    error = command("fetch", "sentiment_tiny_en", f"--output={output}").error
    assert "it has no labels.json" in error


def test_a_bucket_that_holds_something_else_is_refused(command, gcs_bucket, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    copy_preset(tmp_path, f"{gcs_bucket}/tiny")
    error = command("fetch", "sentiment_tiny_en", f"--output={gcs_bucket}/tiny").error
    assert "exists and is another preset" in error
    assert read_bucket(f"{gcs_bucket}/tiny") == {"config.json": b"{}"}


def test_a_copy_to_a_bucket_that_was_interrupted_is_completed(gcs_bucket, tmp_path, monkeypatch):
    from models.hubs import buckets

    def lose_the_last(remote, files):
        if "config.json" in files:
            raise KeyboardInterrupt
        upload(remote, files)

    upload = buckets.upload
    monkeypatch.setattr(buckets, "upload", lose_the_last)
    with pytest.raises(KeyboardInterrupt):
        copy_preset(FOLDER, f"{gcs_bucket}/tiny")
    assert "config.json" not in read_bucket(f"{gcs_bucket}/tiny")  # no job takes it for a preset
    monkeypatch.setattr(buckets, "upload", upload)
    assert copy_preset(FOLDER, f"{gcs_bucket}/tiny")
    assert read_bucket(f"{gcs_bucket}/tiny") == read(FOLDER)


def test_a_local_copy_that_fails_leaves_nothing(command, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preset_output.shutil, "copyfile", fail)
    error = command("fetch", "sentiment_tiny_en", f"--output={tmp_path}/copies/tiny").error
    assert "cannot be written (No space left on device)" in error
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_file_that_was_damaged_in_the_cache_is_not_copied(command, hub, tmp_path):
    folder = Path(json.loads(command("fetch", HF, "--json").out)["folder"])
    (folder / "labels.json").write_bytes(NEEDED["labels.json"].replace(b"neg", b"NEG"))
    output = tmp_path / "tiny"
    error = command("fetch", HF, f"--output={output}").error
    assert "labels.json in the cache has been damaged" in error
    assert not output.exists()
    assert command("fetch", HF, "--refresh", f"--output={output}").code == 0
    assert read(output) == NEEDED


def test_fetch_shows_its_progress_on_a_terminal(hub, cache):
    hub.trouble.delay = 0.15
    process = TerminalProcess(
        "env",
        f"HF_ENDPOINT={hub.url}",
        f"TEXTBEAM_CACHE={cache}",
        *(sys.executable, "-m", "pipelines.presets", "fetch", HF),
    )
    process.wait_for(r"\d/9\.\d MB")
    code, out = process.finish()
    assert code == 0
    assert HF in out


# Mistakes


def test_an_unknown_preset_is_answered_with_the_nearest_name(command):
    assert "did you mean 'roberta_base'?" in command("show", "roberta_bas").error
    assert "hf://owner/name[@revision]" in command("fetch", "s3://bucket/preset").error


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lst"], "'list'"),
        (["show"], "NAME"),
        (["show", "a", "b"], "'b' is one argument too many"),
        (["fetch", "roberta_base", "--outputs=x"], "did you mean --output?"),
        (["fetch", "sentiment_tiny_en", "--output="], "must not be empty"),
        (["fetch", "sentiment_tiny_en", "--refresh"], "nothing to refresh"),
        (["fetch", "sentiment_tiny_en", "--output=s3://b/x"], "neither a local folder nor gs://"),
        (["fetch", "sentiment_tiny_en", "--output=gs://b"], "gs://bucket/path"),
        (["fetch", "sentiment_tiny_en", f"--output={__file__}"], "is a file"),
    ],
)
def test_a_mistake_is_answered_in_one_line(command, arguments, expected):
    assert expected in command(*arguments).error


def test_without_a_network_one_line_says_how_to_fetch_ahead(command, hub):
    hub.stop()
    error = command("fetch", HF).error
    assert "connection refused" in error.lower()
    assert f"python -m pipelines.presets fetch {HF} --output=FOLDER" in error


def test_help_of_the_process(tmp_path):
    done = run_process("presets", tmp_path, "--help")
    assert done.code == 0
    assert "python -m pipelines.presets fetch" in done.out
