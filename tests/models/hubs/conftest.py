from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.hubs.fetching import FILES, KERAS_FILES, UNWANTED, put
from tests.models.hubs.hub_servers import BucketServer, HuggingFaceServer, KaggleServer


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
