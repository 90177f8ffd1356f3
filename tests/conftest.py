"""What tests of several packages need."""

import gc
import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import settings

from tests.storage_proxy import StorageProxy

# Tests on JAX share what they compile, which takes most of their time.
_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

settings.register_profile("textbeam", deadline=None)  # the machine may be busy
settings.load_profile("textbeam")

FOUNDATIONS = ["apache-beam", "keras", "jax", "tensorflow", "tensorflow-text", "numpy", "pyarrow"]
REFERENCES = [
    "keras-hub",
    "sentencepiece",
    "tokenizers",
    "transformers",
    "sentence-transformers",
    "torch",
]


def with_version(package: str) -> str:
    """Returns the package with the version that is installed."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"


def pytest_report_header() -> list[str]:
    """Names what runs and what it is compared with: a difference may be either's."""
    return [
        f"runs on: {', '.join(map(with_version, FOUNDATIONS))}",
        f"compares with: {', '.join(map(with_version, REFERENCES))}",
    ]


@pytest.fixture(scope="session", autouse=True)
def _processes_heed_signals() -> None:
    """Lets signals that this process was told to ignore reach the processes that it starts.

    A shell's background jobs ignore interrupts, nohup's ignore hangups, and children inherit it; a
    signal with a handler is back at its default in a child. A `preexec_fn` must not do this: it
    makes `subprocess` fork, and gRPC, once a test has started its threads, may abort the fork.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of presets of the test's own: no test touches the user's."""
    monkeypatch.setenv("TEXTBEAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def gcs_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageProxy]:
    """A Google Cloud Storage on loopback that google-cloud-storage and Beam both talk to."""
    server_module = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    credentials = tmp_path_factory.mktemp("gcs") / "credentials.json"
    names = ("client_id", "client_secret", "refresh_token", "token", "quota_project_id")
    credentials.write_text(
        json.dumps(
            dict.fromkeys(names, "none")
            | {"type": "authorized_user", "expiry": "2099-01-01T00:00:00Z"}
        )
    )
    server = server_module.create_server(
        "127.0.0.1", port, in_memory=True, default_bucket="textbeam-test"
    )
    server.start()
    proxy = StorageProxy(port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
        patch.setenv("GOOGLE_CLOUD_PROJECT", "textbeam")
        patch.setenv("NO_GCE_CHECK", "true")
        patch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
        patch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
        yield proxy
    proxy.close()
    server.stop()


@pytest.fixture
def gcs_bucket(gcs_proxy: StorageProxy) -> str:
    """A `gs://` folder that no other test writes to, without the slash at its end."""
    return f"gs://textbeam-test/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def s3_proxy() -> Iterator[StorageProxy]:
    """A server on loopback that speaks the protocol of Amazon S3; its one bucket is `textbeam`."""
    server_module = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    proxy = StorageProxy(server.get_host_and_port()[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "none")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        boto3.session.Session().client("s3").create_bucket(Bucket="textbeam")
        yield proxy
    proxy.close()
    server.stop()


@pytest.fixture
def s3_bucket(s3_proxy: StorageProxy) -> str:
    """An `s3://` folder that no other test writes to, without the slash at its end."""
    return f"s3://textbeam/{uuid.uuid4().hex}"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keeps what was imported out of every search for garbage, of which Keras begins many."""
    gc.collect()
    gc.freeze()
