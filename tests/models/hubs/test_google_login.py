"""How a login of Google's is found, and how soon it is given up."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from google.auth.exceptions import TransportError

from models.hubs import google_login
from tests.servers import LoopbackServer

# Google's library reads its environment when it is imported.
_LOOK = """
from models.hubs import google_login
google_login._SECONDS = google_login._GOOGLE_SECONDS = float("{seconds}")
client = google_login.storage_client()
if hasattr(client._credentials, "service_account_email"):
    from google.auth.transport.requests import Request
    client._credentials.refresh(Request())
print(type(client._credentials).__name__, client._credentials.token)
"""


def login_with(server: str, folder: Path, seconds: float) -> tuple[str, str]:
    """Returns what kind of login a process finds that knows a metadata server, and its token."""
    cloud = {"STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "NO_GCE_CHECK"}
    environment = {name: value for name, value in os.environ.items() if name not in cloud}
    environment |= {
        "CLOUDSDK_CONFIG": str(folder),
        "GCE_METADATA_HOST": server,
        "GCE_METADATA_IP": server,
    }
    code = _LOOK.format(seconds=seconds)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    kind, token = done.stdout.split()
    return kind, token


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def connections(server: socket.socket) -> int:
    """How many connections have been made."""
    server.settimeout(0)
    count = 0
    while True:
        try:
            server.accept()
        except BlockingIOError:
            return count
        count += 1


class _MetadataServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content: object = "p-roject"
        if "token" in self.path:
            content = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
        elif "service-accounts" in self.path:
            content = {"email": "a@example.com", "scopes": []}
        elif "universe" in self.path:
            content = "googleapis.com"
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        is_text = isinstance(content, str)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        self.end_headers()
        self.wfile.write((str(content) if is_text else json.dumps(content)).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_metadata_server_that_says_nothing_is_asked_once(silent, tmp_path):
    found = login_with(address(silent), tmp_path, seconds=0.2)
    assert found == ("AnonymousCredentials", "None")
    assert connections(silent) == 1


def test_a_metadata_server_that_answers_gives_its_login(tmp_path):
    with LoopbackServer(_MetadataServer) as server:
        found = login_with(address(server.socket), tmp_path, seconds=60)
    assert found == ("Credentials", "a-token")


def test_other_servers_are_asked_as_often_as_the_library_wants(silent, monkeypatch):
    monkeypatch.setattr(google_login, "_SECONDS", 0.0)
    request = google_login._ImpatientRequest()
    for _ in range(2):
        with pytest.raises(TransportError):
            request(f"http://{address(silent)}", timeout=0.1)


@pytest.mark.parametrize(
    ("product", "seconds"),
    [
        ("Google Compute Engine\n", google_login._GOOGLE_SECONDS),
        ("HVM domU\n", google_login._SECONDS),
        (None, google_login._SECONDS),
    ],
)
def test_a_machine_of_googles_waits_longer(monkeypatch, tmp_path, product, seconds):
    path = tmp_path / "product_name"
    if product is not None:
        path.write_text(product)
    monkeypatch.setattr(google_login, "_PRODUCT", path)
    assert google_login._patience() == seconds
