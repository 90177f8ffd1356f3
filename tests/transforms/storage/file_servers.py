"""Small servers on loopback: a web server, a hub of data sets, a blob store; they can misbehave."""

import contextlib
import hashlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers import LoopbackServer


@dataclass
class Trouble:
    """What goes wrong, and how often; each time counts down.

    Attributes:
        statuses: What the next requests for content are answered with.
        drops: Bytes after which the connections of the next answers are lost.
    """

    statuses: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)


class WebServer:
    """A web server.

    Attributes:
        files: Content by path.
        has_ranges: Whether parts of a file can be asked for.
        version: The header by which it tells versions, `ETag` or `Last-Modified`, or None.
        has_length: Whether it says how long a file is.
        trouble: What goes wrong.
        sent: Path and bytes sent of each answer with content.
        headers: Those of the last request.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.has_ranges = True
        self.version: str | None = "ETag"
        self.has_length = True
        self.trouble = Trouble()
        self.sent: list[tuple[str, int]] = []
        self.headers: Mapping[str, str] = Message()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.headers = self.headers
                server.answer(self, body)

            do_GET = do_HEAD = do_POST = handle_any  # noqa: N815 - what it calls

        self._server = LoopbackServer(Handler)

    @property
    def url(self) -> str:
        return self._server.url

    def stop(self) -> None:
        self._server.stop()

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answers a request."""
        path = unquote(urlsplit(request.path).path)[1:]
        if path.startswith("moved/"):
            self.send(request, 302, b"", {"Location": f"{self.url}/{path[6:]}?token=abc12345"})
        else:
            self.send_file(request, path, {})

    def tag(self, content: bytes) -> str:
        """What names a version of a file."""
        digest = hashlib.md5(content).hexdigest()
        seconds = int(digest[:4], 16)
        at = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f'"{digest}"' if self.version == "ETag" else f"Mon, 01 Jan 2024 {at} GMT"

    def send_file(
        self, request: BaseHTTPRequestHandler, name: str, headers: dict[str, str]
    ) -> None:
        """Sends a file, or the part of it that is asked for, with the trouble that it is in."""
        if name not in self.files:
            self.send(request, 404, b"none", {})
            return
        if self.trouble.statuses:
            self.send(request, self.trouble.statuses.pop(0), b"", {})
            return
        content = self.files[name]
        if self.version:
            headers = {self.version: self.tag(content), **headers}
        status, part = 200, content
        asked = request.headers.get("Range") or request.headers.get("x-ms-range")
        if asked and self.has_ranges:
            start, stop = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
            first, last = int(start), min(int(stop or len(content)), len(content) - 1)
            if first >= len(content):
                self.send(request, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            status, part = 206, content[first : last + 1]
            headers = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self.sent.append((name, len(part)))
        if self.trouble.drops and status == 206 and len(part) > 1:
            cut = self.trouble.drops.pop(0)
            self.send(request, status, part[:cut], headers, length=len(part))
            request.connection.shutdown(socket.SHUT_RDWR)
        elif self.has_length or status == 206:
            self.send(request, status, part, headers)
        else:
            self.send(request, status, part, {**headers, "Connection": "close"}, length=-1)

    def send_json(
        self, request: BaseHTTPRequestHandler, content: Any, status: int = 200, **headers: str
    ) -> None:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send(
            request,
            status,
            json.dumps(content).encode(),
            {"Content-Type": "application/json", **headers},
        )

    def send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        headers: dict[str, str],
        length: int | None = None,
    ) -> None:
        """Sends an answer; a length of -1 is not told."""
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if length != -1:
            request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        if request.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # a client that has what it wanted leaves
                request.wfile.write(content)
        if length is not None:
            request.close_connection = True


class DataSetServer(WebServer):
    """The data set `textbeam/news` of a Hugging Face hub; its Parquet files come from elsewhere."""

    revisions = ("main", "v1", "refs/convert/parquet")

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        path = unquote(urlsplit(request.path).path)
        if path.startswith("/lfs/"):
            self.send_file(request, path.removeprefix("/lfs/"), {})
        elif path.startswith("/api/datasets/textbeam/news/"):
            kind, _, rest = path.removeprefix("/api/datasets/textbeam/news/").partition("/")
            revision = next((r for r in self.revisions if rest.startswith(r)), None)
            if revision is None:
                self.send_json(request, {"error": "none"}, 404, X_Error_Code="RevisionNotFound")
            elif kind == "paths-info":
                wanted = parse_qs(body.decode()).get("paths", [])
                found = [self._described(name) for name in wanted if name in self.files]
                self.send_json(request, found)
            else:
                self._list(request, rest.removeprefix(revision).strip("/"))
        elif path.startswith("/datasets/textbeam/news/resolve/"):
            rest = path.removeprefix("/datasets/textbeam/news/resolve/")
            revision = next(r for r in self.revisions if rest.startswith(r))
            self._resolve(request, rest.removeprefix(revision + "/"))
        else:
            self.send_json(request, {"error": "none"}, 401, X_Error_Code="RepoNotFound")

    def _list(self, request: BaseHTTPRequestHandler, folder: str) -> None:
        start = f"{folder}/" if folder else ""
        inside = [name for name in self.files if name.startswith(start)]
        if folder and not inside:
            self.send_json(request, {"error": "none"}, 404, X_Error_Code="EntryNotFound")
            return
        if "recursive=True" not in request.path and "recursive=true" not in request.path:
            inside = [name for name in inside if "/" not in name[len(start) :]]
        self.send_json(request, [self._described(name) for name in inside])

    def _described(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        found: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": oid}
        if name.endswith(".parquet"):
            digest = hashlib.sha256(content).hexdigest()
            found["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        return found

    def _resolve(self, request: BaseHTTPRequestHandler, name: str) -> None:
        if name.endswith(".parquet"):
            elsewhere = self.url.replace("127.0.0.1", "localhost")
            self.send(request, 302, b"", {"Location": f"{elsewhere}/lfs/{name}"})
        else:
            self.send_file(request, name, {})


class BlobServer(WebServer):
    """The container `texts` of the account `textbeam` of Azure Blob Storage."""

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        url = urlsplit(request.path)
        query = parse_qs(url.query)
        _, account, container, name = [*unquote(url.path).split("/", 3), ""][:4]
        if (account, container) != ("textbeam", "texts"):
            self._refuse(request, 404, "ContainerNotFound")
        elif query.get("comp") == ["list"]:
            self._list(request, query)
        elif name not in self.files:
            self._refuse(request, 404, "BlobNotFound")
        elif request.headers.get("If-Match", self.tag(self.files[name])) != self.tag(
            self.files[name]
        ):
            self._refuse(request, 412, "ConditionNotMet")
        else:
            kind = {"x-ms-blob-type": "BlockBlob", "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
            self.send_file(request, name, kind)

    def _list(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        listed, folders = "", set()
        for name in sorted(self.files):
            rest = name[len(prefix) :]
            if not name.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            tag = self.tag(self.files[name]).strip('"')
            listed += (
                f"<Blob><Name>{escape(name)}</Name><Properties><Etag>{tag}</Etag>"
                f"<Content-Length>{len(self.files[name])}</Content-Length>"
                "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
        listed += "".join(f"<BlobPrefix><Name>{name}</Name></BlobPrefix>" for name in folders)
        content = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults>'
            f"<Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>"
        )
        self.send(request, 200, content.encode(), {"Content-Type": "application/xml"})

    def _refuse(self, request: BaseHTTPRequestHandler, status: int, code: str) -> None:
        content = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>x</Message></Error>'
        headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
        self.send(request, status, content.encode(), headers)
