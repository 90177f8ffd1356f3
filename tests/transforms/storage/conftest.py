from collections.abc import Iterator

import pytest

from tests.transforms.storage.file_servers import BlobServer, DataSetServer, WebServer
from transforms.storage import stores


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAUSES", (0, 0, 0))


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer({})
    yield server
    server.stop()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DataSetServer]:
    server = DataSetServer({})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_aSecretThatIsLongEnough")
    yield server
    server.stop()


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobServer]:
    azure = pytest.importorskip("transforms.storage.azure")
    server = BlobServer({})
    key = "bm9uZQ=="
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "textbeam")
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"DefaultEndpointsProtocol=http;AccountName=textbeam;AccountKey={key};"
        f"BlobEndpoint={server.url}/textbeam;",
    )
    azure._service.cache_clear()
    yield server
    azure._service.cache_clear()
    server.stop()
