"""Storage that is slow or fails, and has what the emulator of Google Cloud Storage lacks.

That is preconditions, and listings in pages.
"""

import http.client
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.servers import LoopbackServer

_UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
_LISTING = re.compile(r"/storage/v1/b/[^/]+/o")
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
        delay: Seconds that each request takes, beside what the emulator needs; requests that come
            together wait together, though the emulator then serves one at a time.
        page: Objects in an answer to a listing.
        at_once: How many requests there are at this moment.
        most_at_once: How many requests there have been at the same moment, at most.
        seconds_inside: How long the emulator has been at work, all requests together.
    """

    def __init__(self, port: int) -> None:
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.requests = 0
        self.delay = 0.0
        self.page = 1000
        self.most_at_once = 0
        self.seconds_inside = 0.0
        self.at_once = 0
        self._port = port
        # The emulator serves one request at a time, and a precondition must be one with its write.
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._pages: dict[str, list[dict[str, Any]]] = {}
        self._tokens = map(str, itertools.count())
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or an answer in two pieces takes 40 ms

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815 - what it calls

            def log_message(self, *_: Any) -> None:
                pass

        self._server = LoopbackServer(Handler)

    @property
    def url(self) -> str:
        return self._server.url

    def close(self) -> None:
        self._server.stop()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._counted():
            with self._counting:
                fault = self.fault(request.command, request.path)
            time.sleep(self.delay)
            if isinstance(fault, int):
                _answer(request, fault, {}, b'{"error": {"message": "injected"}}')
                return
            if fault == "cut":
                request.close_connection = True
                return
            status, headers, content = self._do(request, body)
        if fault == "lost":
            request.close_connection = True
            return
        _answer(request, status, headers, content)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._counting:
            self.requests += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._counting:
                self.at_once -= 1

    def _do(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(request.path)
        query = parse_qs(url.query)
        is_listing = request.command == "GET" and _LISTING.fullmatch(url.path) is not None
        with self._lock:
            if is_listing and (token := query.get("pageToken", [""])[0]):
                return self._page({"kind": "storage#objects", "items": self._pages.pop(token)})
            began = time.monotonic()
            try:
                if self._is_refused(url.path, query, body):
                    return 412, {}, b'{"error": {"message": "precondition failed"}}'
                status, headers, content = self._forward(request, body)
            finally:
                self.seconds_inside += time.monotonic() - began
            if is_listing and status == 200:
                return self._page(json.loads(content))
            return status, headers, content

    def _page(self, listed: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """Answers a listing with as many objects as a page has, and keeps the rest for the next."""
        items = listed.get("items", [])
        if len(items) > self.page:
            token = next(self._tokens)
            self._pages[token] = items[self.page :]
            listed = {**listed, "items": items[: self.page], "nextPageToken": token}
        return 200, {"Content-Type": "application/json"}, json.dumps(listed).encode()

    def _is_refused(self, path: str, query: dict[str, list[str]], body: bytes) -> bool:
        """Whether an object is not of the generation that it must be; 0 stands for none at all."""
        wanted = query.get("ifGenerationMatch", [None])[0]
        if wanted is None:
            return False
        upload, existing = _UPLOAD.fullmatch(path), _OBJECT.match(path)
        if upload is not None:
            bucket, name = upload[1], query.get("name", [""])[0] or _name_in(body)
        elif existing is not None and "/rewriteTo/" not in path:
            bucket, name = existing[1], unquote(existing[2])
        else:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            return upload is not None and wanted != "0"
        return json.loads(content)["generation"] != wanted

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
