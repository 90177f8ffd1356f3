"""What a user reads where Google Cloud Storage refuses something, whatever asked for it."""

import re
from collections.abc import Callable

import pytest
from google.api_core.exceptions import NotFound, RetryError, ServiceUnavailable, Unauthorized
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from models.errors import UserError
from models.hubs import store
from models.hubs.google_errors import explained
from tests import storage_proxy
from tests.storage_proxy import StorageProxy
from transforms.files import CorpusFile, match
from transforms.storage import google
from transforms.verification import verify
from transforms.writing.output import reserve_output

# What the service says, by what is wrong, and what a user reads of it.
ANSWERS = {
    "no bucket": (
        404,
        "The specified bucket does not exist.",
        "there is no bucket 'textbeam-test'",
    ),
    "no permission": (
        403,
        "ann@example.com does not have storage.objects.list access to the Google Cloud Storage "
        "bucket. Permission 'storage.objects.list' denied on resource (or it may not exist).",
        "ann@example.com lacks the permission storage.objects.list on the bucket 'textbeam-test'",
    ),
    "policy": (
        403,
        "Request is prohibited by organization's policy.",
        "Cloud Storage denies access to the bucket 'textbeam-test' (Request is prohibited",
    ),
    "requester pays": (
        400,
        "Bucket is a requester pays bucket but no user project provided.",
        "the bucket 'textbeam-test' lets those pay who read it",
    ),
    "other": (400, "Invalid bucket name", "refuses a request to the bucket 'textbeam-test' (Inv"),
}


def fetch_preset(path: str) -> None:
    store.fetch(path)


def find_input(path: str) -> None:
    match(f"{path}/*.txt")


def use_output(path: str) -> None:
    reserve_output(path)


def verify_output(path: str) -> None:
    verify(path)


ASKERS = [fetch_preset, find_input, use_output, verify_output]


@pytest.fixture
def refusing(gcs_proxy: StorageProxy, monkeypatch) -> Callable[[int, str], None]:
    """Lets the service answer everything with a status and a message."""
    plain = storage_proxy._answer
    message: list[str] = []

    def answer(request, status, headers, content):
        plain(request, status, headers, content.replace(b"injected", message[0].encode()))

    def refuse(status: int, said: str) -> None:
        message.append(said)
        monkeypatch.setattr(storage_proxy, "_answer", answer)
        monkeypatch.setattr(gcs_proxy, "fault", lambda method, path: status)

    return refuse


def check_sentence(told: str) -> None:
    """Neither the words of Python nor those of the protocol."""
    assert not re.search(r"\{'|http://|GET |POST |Error\(|\n", told), told


@pytest.mark.parametrize("ask", ASKERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_the_service_refuses_is_said_in_a_sentence(refusing, gcs_bucket, ask, answer):
    status, said, told = ANSWERS[answer]
    refusing(status, said)
    with pytest.raises(UserError) as found:
        ask(gcs_bucket)
    check_sentence(str(found.value))
    assert told in str(found.value)
    assert gcs_bucket in str(found.value)


def test_a_file_of_a_bucket_that_is_gone_is_not_found(gcs_bucket):
    store = google.GoogleStore()
    file = CorpusFile(f"{gcs_bucket}/none.txt", 5, "1", "crc32c:x")
    with pytest.raises(FileNotFoundError, match="no such file in the bucket 'textbeam-test'"):
        store.fetch(file, 0, 3)


HTTP_LINE = "GET https://storage.googleapis.com/storage/v1/b/bkt/o?projection=noAcl: "

ERRORS = {
    "anonymous": (
        Unauthorized(f"{HTTP_LINE}Anonymous caller does not have storage.objects.get access."),
        "no credentials for the bucket 'bkt': run gcloud auth application-default login",
    ),
    "expired": (
        Unauthorized(f"{HTTP_LINE}Invalid Credentials"),
        "the login that asks for the bucket 'bkt' has expired, or is not accepted (Invalid Cre",
    ),
    "no default": (
        DefaultCredentialsError("Your default credentials were not found."),
        "no credentials for the bucket 'bkt': run gcloud auth application-default login",
    ),
    "revoked": (
        RefreshError("invalid_grant: Token has been expired or revoked."),
        "has expired, or is not accepted (invalid_grant: Token has been expired or revoked.)",
    ),
    "no name": (
        TransportError(
            "HTTPSConnectionPool(host='oauth2.googleapis.com', port=443): Max retries exceeded "
            'with url: /token (Caused by NameResolutionError("<urllib3.connection.HTTPSConnection '
            "object at 0x7f>: Failed to resolve 'oauth2.googleapis.com' ([Errno -3] Temporary "
            'failure in name resolution)"))'
        ),
        "does not answer for the bucket 'bkt' (Failed to resolve 'oauth2.googleapis.com')",
    ),
    "tried again": (
        RetryError(
            "Timeout of 120.0s exceeded", cause=ServiceUnavailable(f"{HTTP_LINE}Backend Error")
        ),
        "does not answer for the bucket 'bkt' (Backend Error): look at the network",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_what_clients_raise_is_said_in_a_sentence(what):
    error, told = ERRORS[what]
    found = explained(error, "bkt")
    assert found is not None
    check_sentence(found[1])
    assert told in found[1]


def test_errors_of_beam_are_those_that_they_are_made_of():
    from apache_beam.io.filesystem import BeamIOError

    inner = BeamIOError("List failed", {"gs://bkt/x": NotFound(f"{HTTP_LINE}no bucket")})
    outer = BeamIOError("Match failed", {"gs://bkt/x*": inner})
    assert "{'" in str(outer)
    assert explained(outer) == explained(NotFound("no bucket"), "bkt")
    assert explained(OSError("disk full")) is None
