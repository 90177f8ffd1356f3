"""Storage that fails, and the preconditions that the emulator of Google Cloud Storage lacks."""

import http.client
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

_UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class StorageProxy:
    """Stands before an emulator, on loopback.

    Args:
        port: The emulator's, of Google Cloud Storage or of Amazon S3.

    Attributes:
        fault: Called with the method and the path of each request; returns what to do instead of
            answering it: a status such as 503, `cut` (nothing is done and the connection ends), or
            `lost` (it is done, and the connection ends); None for nothing.
        requests: How many there have been.
    """

    def __init__(self, port: int) -> None:
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.requests = 0
        self._port = port
        # The emulator serves one request at a time, and a precondition must be one with its write.
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815 - what it calls

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            self.requests += 1
            fault = self.fault(request.command, request.path)
            if isinstance(fault, int):
                _answer(request, fault, {}, b'{"error": {"message": "injected"}}')
                return
            if fault == "cut":
                request.close_connection = True
                return
            if self._is_refused(request, body):
                _answer(request, 412, {}, b'{"error": {"message": "precondition failed"}}')
                return
            status, headers, content = self._forward(request, body)
        if fault == "lost":
            request.close_connection = True
            return
        _answer(request, status, headers, content)

    def _is_refused(self, request: BaseHTTPRequestHandler, body: bytes) -> bool:
        """Whether an object must not be there yet, and is."""
        url = urlsplit(request.path)
        query = parse_qs(url.query)
        upload = _UPLOAD.match(url.path)
        if upload is None or query.get("ifGenerationMatch") != ["0"]:
            return False
        name = query.get("name", [None])[0] or _name_in(body)
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", f"/storage/v1/b/{upload[1]}/o/{quote(name, safe='')}")
        return connection.getresponse().status == 200

    def _forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request(request.command, request.path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def _name_in(body: bytes) -> str:
    """Returns the name of the object in the metadata that a multipart or resumable upload has."""
    found = re.search(rb'\{[^{}]*"name"[^{}]*\}', body)
    assert found is not None, body[:200]
    return json.loads(found[0])["name"]


def _answer(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            request.send_header(name, value)
    told = headers.get("Content-Length") if request.command == "HEAD" else None
    request.send_header("Content-Length", told or str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)
