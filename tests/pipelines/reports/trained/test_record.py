"""`python -m pipelines.report PRESET`: where a training is read from, and what is refused."""

import json

import pytest

from pipelines import report as report_command
from tests.models.hubs.fetching import put
from tests.models.hubs.hub_servers import HuggingFaceServer
from tests.pipelines.command_runs import run
from tests.pipelines.reports.trained.records import one_label


@pytest.fixture
def report(tmp_path):
    """Makes the page about a place."""

    def report_(place):
        return run(report_command.main, tmp_path, str(place), f"--report={tmp_path}/trained.html")

    return report_


@pytest.fixture
def hub(monkeypatch):
    files = {"config.json": b"{}", "training.json": json.dumps(one_label(["a", "b"])).encode()}
    server = HuggingFaceServer(files)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.stop()


def assert_made(found, place):
    assert (found.code, found.err) == (0, "")
    assert f"--preset={place}" in (found.folder / "trained.html").read_text()


@pytest.fixture
def preset(tmp_path):
    folder = tmp_path / "preset"
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps(one_label(["a", "b"])))
    return folder


def test_a_preset_of_this_machine_is_read(report, preset):
    assert_made(report(preset), preset)


def test_a_bundled_preset_is_known_by_its_name(report):
    assert_made(report("sentiment_tiny_en"), "sentiment_tiny_en")


def test_a_preset_of_a_bucket_is_read(report, gcs_bucket):
    put(gcs_bucket, {"training.json": json.dumps(one_label(["a", "b"])).encode()})
    assert_made(report(gcs_bucket), gcs_bucket)


def test_a_preset_of_a_hub_is_read_without_its_weights(report, hub):
    assert_made(report("hf://textbeam/tiny"), "hf://textbeam/tiny")


def test_a_preset_of_a_hub_that_finetune_did_not_make_has_no_page(report, hub):
    del hub.files["training.json"]
    said = "hf://textbeam/tiny has no training.json: only presets that python -m pipelines.finetune"
    assert said in report("hf://textbeam/tiny").error


def test_what_is_neither_a_result_nor_a_training_is_refused(report, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no result" in report(tmp_path / "empty").error
    assert "holds no result" in report(tmp_path / "none").error


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"figures": {}, "data": {}, "start": "x"}',
    ],
    ids=["empty", "list", "object", "bytes", "deep", "parts"],
)
def test_a_damaged_record_is_one_line(report, preset, content):
    (preset / "training.json").write_bytes(content)
    assert "is not what python -m pipelines.finetune writes" in report(preset).error


def changed(record, path, value):
    *above, last = path
    place = record
    for name in above:
        place = place[name]
    place[last] = value
    return record


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("figures", "labels"), [1]),
        (("figures", "confusion"), [[1]]),
        (("figures", "calibration"), {"bins": [3]}),
        (("figures", "mistakes"), [{"text": 5}]),
        (("figures", "baselines"), {}),
        (("history",), {"loss": []}),
        (("history", "loss"), ["a", "b", "c"]),
        (("best_epoch",), 99),
        (("data", "left_out"), 7),
        (("warnings",), [""]),
        (("arguments",), {}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_record_that_was_tampered_with_is_one_line(report, preset, path, value):
    record = changed(one_label(["a", "b"]), path, value)
    (preset / "training.json").write_text(json.dumps(record))
    assert "is not what python -m pipelines.finetune writes" in report(preset).error


def test_a_huge_record_is_refused(report, preset):
    (preset / "training.json").write_bytes(b" " * (17 << 20))
    assert "training.json of" in report(preset).error
