"""The server on loopback that stands in for a service in tests."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackServer(ThreadingHTTPServer):
    """Serves from a free port on loopback, from its making to `stop`, or to the end of `with`.

    A client that closes its connection is not worth a word: pooled connections are closed
    whenever their owner is collected, and what a server prints then would land in the standard
    error of whichever test is running.

    Arguments:
        handler: What answers the requests.
        host: The name that it listens at.
    """

    daemon_threads = True
    request_queue_size = 128  # connections that come at once, and are not refused

    def __init__(self, handler: type[BaseHTTPRequestHandler], *, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), handler)
        self._host = host
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops listening, and frees the port."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
