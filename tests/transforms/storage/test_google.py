"""How long Cloud Storage is waited for."""

from collections.abc import Callable

import pytest
from google.api_core.exceptions import NotFound, RetryError
from google.auth.exceptions import RefreshError, TransportError
from requests.exceptions import ConnectionError as NoConnectionError

from tests.storage_proxy import StorageProxy
from transforms.errors import InputError
from transforms.files import match
from transforms.storage import google, stores

SILENCES = {
    "no connection": NoConnectionError("Failed to resolve 'storage.googleapis.com'"),
    "no login server": TransportError(NoConnectionError("Failed to resolve 'oauth2'")),
    "reset": ConnectionResetError("Connection reset by peer"),
}
ANSWERS = {
    "missing": NotFound("no such object"),
    "expired": RefreshError("Token has been expired or revoked."),
}


def failing(error: Exception) -> Callable[[], None]:
    def request() -> None:
        raise error

    return request


@pytest.mark.parametrize("what", SILENCES)
def test_who_never_answered_is_not_waited_for_long(what):
    patience = google._Patience(first=0.001, later=1e9)
    with pytest.raises(RetryError):
        patience(failing(SILENCES[what]))()
    assert not patience.is_answered


@pytest.mark.parametrize("what", ANSWERS)
def test_an_error_is_an_answer(what):
    patience = google._Patience(first=1e9, later=0.001)
    with pytest.raises(type(ANSWERS[what])):
        patience(failing(ANSWERS[what]))()
    assert patience.is_answered
    with pytest.raises(RetryError):
        patience(failing(SILENCES["reset"]))()


def test_who_answered_once_is_waited_for():
    patience = google._Patience(first=1e9, later=0.001)
    assert patience(lambda: 3)() == 3
    with pytest.raises(RetryError):
        patience(failing(SILENCES["no connection"]))()


def test_what_was_looked_up_in_vain_is_looked_up_again_if_it_may_help(
    gcs_proxy: StorageProxy, gcs_bucket, monkeypatch
):
    patience = google._Patience(0.001, 0.001)
    monkeypatch.setattr(google, "RETRY", patience)
    monkeypatch.setattr(gcs_proxy, "fault", lambda method, path: "cut")
    asked = {}
    for has_answered in (False, True):
        patience.is_answered, before = has_answered, gcs_proxy.requests
        with pytest.raises(InputError, match="Cloud Storage does not answer"):
            match(f"{gcs_bucket}/a.txt")
        asked[has_answered] = gcs_proxy.requests - before
    assert asked[False] <= len(stores.PAUSES) < asked[True]
