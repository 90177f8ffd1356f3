"""The login with which Google's services are asked, and a client of Cloud Storage that has it.

Where there is none, Google's library asks for one at the metadata server that machines of Google's
have, again and again: a minute where nobody answers. Here it is asked for seconds.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google.auth
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, TransportError
from google.auth.transport import Response
from google.auth.transport.requests import Request
from google.cloud import storage

# Seconds until the metadata server must have answered once. Elsewhere that is one try; on a machine
# of Google's, which has one, it may take some seconds to start.
_SECONDS, _GOOGLE_SECONDS = 3.0, 12.0

# What a machine is, as its firmware tells Linux.
_PRODUCT = Path("/sys/class/dmi/id/product_name")

_FLAVOR = "metadata-flavor"  # the header that only requests to the metadata server have


def find_login(scopes: Sequence[str]) -> Credentials:
    """Returns the login of this machine, from where Google's tools look for one.

    See https://cloud.google.com/docs/authentication/application-default-credentials.

    Args:
        scopes: What it is for.

    Raises:
        DefaultCredentialsError: There is none.
    """
    found, _ = google.auth.default(scopes=scopes, request=_ImpatientRequest())
    return found


def storage_client() -> storage.Client:
    """Returns a client of Cloud Storage; without a login it sees only what is public."""
    if os.environ.get("STORAGE_EMULATOR_HOST"):  # which needs no login
        return storage.Client(project=None)
    try:
        return storage.Client(project=None, credentials=find_login(storage.Client.SCOPE))
    except DefaultCredentialsError:
        return storage.Client.create_anonymous_client()


class _ImpatientRequest(Request):
    """Sends requests, and soon gives up a metadata server that has never answered."""

    def __init__(self) -> None:
        super().__init__()
        self._end: float | None = None
        self._has_answered = False

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = _GOOGLE_SECONDS,
        **kwargs: Any,
    ) -> Response:
        if self._has_answered or _FLAVOR not in (headers or {}):
            return super().__call__(url, method, body, headers, timeout, **kwargs)
        if self._end is None:
            self._end = time.monotonic() + _patience()
        try:
            left = max(0.1, self._end - time.monotonic())
            answer = super().__call__(url, method, body, headers, min(timeout, left), **kwargs)
        except TransportError:
            if time.monotonic() < self._end:
                raise
            # Not an error after which the library asks again.
            raise DefaultCredentialsError("no metadata server answers") from None
        self._has_answered = True
        return answer


def _patience() -> float:
    """Returns how many seconds a metadata server is waited for on this machine."""
    try:
        is_of_google = _PRODUCT.read_text().startswith("Google")
    except (OSError, ValueError):
        is_of_google = False
    return _GOOGLE_SECONDS if is_of_google else _SECONDS
