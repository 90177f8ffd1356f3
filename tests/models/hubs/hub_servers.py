"""Small servers on loopback that speak the protocols of the hubs, and can misbehave."""

import base64
import contextlib
import hashlib
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.servers import LoopbackServer

LARGE = (".safetensors", ".h5")
"""How files end that a Hugging Face hub keeps in LFS, and sends from another address."""

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Trouble:
    """What goes wrong, and how often; each time counts down.

    Attributes:
        drops: By file, the numbers of bytes after which a connection is lost, one a request.
        statuses: By file, the status that every request for its content gets.
        stalls: Files that stop in the middle, for as long as the server lives.
        damaged: Files of which a byte is another than their checksum says.
        delay: Seconds before each answer with a file's content.
    """

    drops: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    delay: float = 0.0


class HubServer(ABC):
    """A server whose kind a subclass gives.

    Attributes:
        files: Content by path, of the one preset that it has.
        trouble: What goes wrong.
        fetched: Path and first byte of each request for a file's content.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.trouble = Trouble()
        self.fetched: list[tuple[str, int]] = []
        self._stopped = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                hub.answer(self, {})

            def do_HEAD(self) -> None:
                hub.answer(self, {})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                hub.answer(self, json.loads(self.rfile.read(length) or b"{}"))

        self._server = LoopbackServer(Handler)

    @property
    def url(self) -> str:
        return self._server.url

    def stop(self) -> None:
        self._stopped.set()
        self._server.stop()

    @abstractmethod
    def answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """Answers a request as the hub does."""

    def content(self, name: str) -> bytes:
        """Returns the content of a file."""
        return self.files[name]

    def send_json(
        self, request: BaseHTTPRequestHandler, content: Any, status: int = 200, **headers: str
    ) -> None:
        self._send(
            request,
            status,
            json.dumps(content).encode(),
            {"Content-Type": "application/json", **_dashed(headers)},
        )

    def redirect(self, request: BaseHTTPRequestHandler, url: str, headers: dict[str, str]) -> None:
        self._send(request, 302, b"", {"Location": url, **headers})

    def send_file(
        self, request: BaseHTTPRequestHandler, name: str, headers: dict[str, str]
    ) -> None:
        """Sends a file or what a Range header asks for, with the trouble that it is in."""
        content = self.content(name)
        if name in self.trouble.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        first = 0
        if asked := request.headers.get("Range"):
            first = int(asked.removeprefix("bytes=").split("-")[0])
        headers = {"Accept-Ranges": "bytes", **headers}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if request.command != "HEAD":
            self.fetched.append((name, first))
            time.sleep(self.trouble.delay)
            if status := self.trouble.statuses.get(name):
                self._send(request, status, b"", {})
                return
        sent = content[first:]
        if request.command != "HEAD" and self.trouble.drops.get(name):
            cut = self.trouble.drops[name].pop(0)
            self._send(request, 206 if first else 200, sent[:cut], headers, length=len(sent))
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
        elif request.command != "HEAD" and name in self.trouble.stalls:
            half = len(sent) // 2
            self._send(request, 206 if first else 200, sent[:half], headers, length=len(sent))
            request.wfile.flush()
            self._stopped.wait()
        else:
            self._send(request, 206 if first else 200, sent, headers)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        headers: dict[str, str],
        length: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        if request.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # a client that has what it wanted leaves
                request.wfile.write(content)


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class PullRequest:
    """What someone offers to add to a repository of a Hugging Face hub.

    Attributes:
        files: Content by path.
        parent: The commit that it adds to.
        author: Whose it is.
        title: What it is called.
        status: Such as `open`, `merged`, `closed`.
        is_pull_request: Whether it is not only a discussion.
    """

    files: dict[str, bytes]
    parent: str = COMMIT
    author: str = "SFconvertbot"
    title: str = "Adding `safetensors` variant of this model"
    status: str = "open"
    is_pull_request: bool = True


class HuggingFaceServer(HubServer):
    """One repository of a Hugging Face hub, `textbeam/tiny` unless it is named otherwise.

    Attributes:
        repository: Its owner and name.
        commit: Of the main branch.
        pull_requests: What is offered to be added to it; the first one has the number 1.
        has_discussions: Whether its owner allows any; otherwise the hub does not list them.
        architectures: What the hub tells of the configuration.
    """

    def __init__(self, files: dict[str, bytes], repository: str = "textbeam/tiny") -> None:
        self.repository = repository
        self.commit = COMMIT
        self.pull_requests: list[PullRequest] = []
        self.has_discussions = True
        self.architectures: list[str] = []
        super().__init__(files)

    def commit_of(self, number: int) -> str:
        """Returns the commit of a pull request."""
        return f"{number:040x}"

    def content(self, name: str) -> bytes:
        """Returns the content of a file, that of the main branch first."""
        offered = [request.files for request in self.pull_requests]
        return next(files[name] for files in (self.files, *offered) if name in files)

    def _revisions(self) -> dict[str, dict[str, bytes]]:
        """The files of each commit."""
        return {self.commit: self.files} | {
            self.commit_of(number): self.files | request.files
            for number, request in enumerate(self.pull_requests, start=1)
        }

    def answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        path = unquote(urlsplit(request.path).path)
        if path.startswith("/api/models/"):
            self._describe(request, path.removeprefix("/api/models/"))
        elif path.startswith("/lfs/"):
            self.send_file(request, path.removeprefix("/lfs/"), {})
        else:
            commit, _, name = path.removeprefix(f"/{self.repository}/resolve/").partition("/")
            if commit in self._revisions():
                self._resolve(request, commit, name)
            else:
                self.send_json(request, {"error": "none"}, 404)

    def _describe(self, request: BaseHTTPRequestHandler, path: str) -> None:
        if path == f"{self.repository}/discussions":
            self._discuss(request)
            return
        repository, _, revision = path.partition("/commits/refs/pr/")
        if revision:
            number = int(revision)
            commits = [self.commit_of(number), self.pull_requests[number - 1].parent]
            self.send_json(request, [_commit(commit) for commit in commits])
            return
        repository, _, revision = path.partition("/revision/")
        revision = {"": self.commit, "main": self.commit}.get(revision, revision)
        revisions = self._revisions()
        if repository != self.repository:
            self.send_json(request, {"error": "none"}, 404, X_Error_Code="RepoNotFound")
        elif revision not in revisions:
            self.send_json(request, {"error": "none"}, 404, X_Error_Code="RevisionNotFound")
        else:
            files = revisions[revision]
            siblings = [self._sibling(name, content) for name, content in files.items()]
            config = {"architectures": self.architectures}
            facts = {"id": repository, "sha": revision, "siblings": siblings, "config": config}
            self.send_json(request, facts)

    def _discuss(self, request: BaseHTTPRequestHandler) -> None:
        """Lists discussions and pull requests, whatever the filter of the query."""
        if not self.has_discussions:
            self.send_json(request, {"error": "Discussions are disabled for this repo"}, 403)
            return
        discussions = [
            {
                "num": number,
                "title": offered.title,
                "author": {"name": offered.author},
                "createdAt": "2024-01-01T00:00:00.000Z",
                "status": offered.status,
                "isPullRequest": offered.is_pull_request,
                "repo": {"name": self.repository, "type": "model"},
            }
            for number, offered in enumerate(self.pull_requests, start=1)
        ]
        count = len(discussions)
        self.send_json(request, {"count": count, "start": 0, "discussions": discussions})

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        found = {"rfilename": name, "size": len(content), "blobId": _git(content)}
        if name.endswith(LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            found["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        return found

    def _resolve(self, request: BaseHTTPRequestHandler, commit: str, name: str) -> None:
        content = self.content(name)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git(content)}"'}
        if name.endswith(LARGE):
            headers["X-Linked-ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(content))
            # To a host of another name: on its own the client would look for these headers again.
            elsewhere = self.url.replace("127.0.0.1", "localhost")
            self.redirect(request, f"{elsewhere}/lfs/{name}", headers)
        else:
            self.send_file(request, name, headers)


def _commit(commit: str) -> dict[str, Any]:
    date = "2024-01-01T00:00:00.000Z"
    return {"id": commit, "title": "a commit", "message": "", "authors": [], "date": date}


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class KaggleServer(HubServer):
    """Version 3 of the Keras model `keras/bert/tiny` of Kaggle, as an HTTP proxy would reach it."""

    version = 3

    def answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        path = unquote(urlsplit(request.path).path)
        if path.startswith("/storage/"):
            name = path.removeprefix("/storage/")
            md5 = base64.b64encode(hashlib.md5(self.files[name]).digest()).decode()
            self.send_file(request, name, {"X-Goog-Hash": f"crc32c=AAAAAA==,md5={md5}"})
            return
        method = path.removeprefix("/api/v1/models.ModelApiService/")
        model = (body["ownerSlug"], body["modelSlug"], body["instanceSlug"])
        if model != ("keras", "bert", "tiny") or body.get("versionNumber", 3) != self.version:
            self.send_json(request, {"code": 404, "message": "none"}, 404)
        elif method == "GetModelInstance":
            self.send_json(request, {"id": 1, "versionNumber": self.version})
        elif method == "ListModelInstanceVersionFiles":
            self._list(request, body)
        else:
            assert method == "DownloadModelInstanceVersion", path
            self.redirect(request, f"http://localhost/storage/{body['path']}", {})

    def _list(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """Sends two files a page."""
        first = int(body.get("pageToken") or 0)
        names = list(self.files)
        files = [{"name": name, "size": len(self.files[name])} for name in names[first : first + 2]]
        more = str(first + 2) if first + 2 < len(names) else ""
        self.send_json(request, {"files": files, "nextPageToken": more})


class BucketServer(HubServer):
    """The folder `gs://textbeam/tiny` of Google Cloud Storage."""

    def answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        path = unquote(urlsplit(request.path).path)
        start = "/download/storage/v1/b/textbeam/o/tiny/"
        if path.startswith(start):
            name = path.removeprefix(start)
            self.send_file(request, name, {"X-Goog-Hash": f"crc32c={_crc32c(self.files[name])}"})
        else:
            items = [
                {
                    "name": f"tiny/{name}",
                    "bucket": "textbeam",
                    "size": str(len(content)),
                    "crc32c": _crc32c(content),
                    "mediaLink": f"{self.url}{start}{name}?alt=media",
                }
                for name, content in self.files.items()
            ]
            self.send_json(request, {"kind": "storage#objects", "items": items})


def _crc32c(content: bytes) -> str:
    import google_crc32c

    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
