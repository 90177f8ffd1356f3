"""What errors of Google's clients mean to whom runs a command: a sentence that names the bucket."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from models.hubs.remote import in_short

Kind = Literal["missing", "refused", "unavailable", "other"]
"""What is wrong: nothing is there, access is denied, nobody answers, or something else."""

LOG_IN = (
    "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a file "
    "with credentials"
)

_PACKAGES = ("google.", "requests.", "urllib3.")

# How messages begin that repeat the request: its method and its URL.
_REQUEST = re.compile(r"^(?:\d{3} )?(?:GET|PUT|POST|PATCH|DELETE|HEAD) \S+?: ")
_STATUS = "Request failed with status code"  # after which comes what was expected
_OBJECT = re.compile(r"/b/[^/?:\s]+/o/")
_BUCKET = re.compile(r"/b/([^/?:\s]+)")
_DENIED = re.compile(r"(?:(\S+@\S+) does not have|Permission) '?(storage\.[\w.]+)'?")
_NETWORK = ("TransportError", "RetryError", "ConnectionError", "Timeout", "MaxRetryError")


def explained(error: BaseException, bucket: str = "") -> tuple[Kind, str] | None:
    """Returns the kind of an error of Google's, and a sentence that says what to do.

    Args:
        error: What a client of Google's raised, or Beam instead of it.
        bucket: The bucket that was asked; if it is not given, the one that the error names.

    Returns:
        Both; None for an error that is not of Google's clients, nor of the connection.
    """
    cause = _of_google(error)
    if cause is None:
        return None
    response = getattr(cause, "response", None)
    asked = f"{cause} {getattr(response, 'url', '')}"
    found = _BUCKET.search(asked)
    bucket = bucket or (found[1] if found else "")
    the_bucket = f"the bucket {bucket!r}" if bucket else "the bucket"
    code, text = _code(cause), told(cause)
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    if "DefaultCredentialsError" in kinds or (code == 401 and "nonymous" in text):
        return "refused", f"no credentials for {the_bucket}: {LOG_IN}"
    if "RefreshError" in kinds or code == 401:
        return "refused", (
            f"the login that asks for {the_bucket} has expired, or is not accepted "
            f"({text}): {LOG_IN}"
        )
    if "requester pays" in text.lower():
        return "refused", (
            f"{the_bucket} lets those pay who read it, which Textbeam does not do: copy what you "
            f"need into a bucket of your own with gcloud storage cp --billing-project=PROJECT"
        )
    if code == 403:
        return "refused", _denied(text, the_bucket, bucket)
    if code == 404 and "bucket" not in text.lower() and _OBJECT.search(asked):
        return "missing", f"there is no such file in {the_bucket}, or no such bucket"
    if code == 404:
        return "missing", (
            f"there is no bucket {bucket!r}: correct its name, or make it with gcloud storage "
            f"buckets create gs://{bucket}"
        )
    if code == 429 or ((code or 0) >= 500) or kinds & set(_NETWORK):
        return "unavailable", (
            f"Cloud Storage does not answer for {the_bucket} ({text}): look at the "
            "network, and try again"
        )
    return "other", f"Cloud Storage refuses a request to {the_bucket} ({text})"


def _denied(text: str, the_bucket: str, bucket: str) -> str:
    """Returns what is said of a permission that is missing."""
    match = _DENIED.search(text)
    if match is None:
        return f"Cloud Storage denies access to {the_bucket} ({text}): {LOG_IN}"
    who = match[1] or "this account"
    return (
        f"{who} lacks the permission {match[2].rstrip('.')} on {the_bucket}: grant it with gcloud "
        f"storage buckets add-iam-policy-binding gs://{bucket} --role=roles/storage.objectUser "
        "--member=…, or log in as another"
    )


def _of_google(error: BaseException) -> BaseException | None:
    """Returns the error of Google's, or of the connection, that another one is or was made of."""
    for each in _within(error):
        if type(each).__module__.startswith(_PACKAGES):
            return _last(each)
    return None


def _within(error: BaseException) -> Iterator[BaseException]:
    """Goes through an error, and what it was made of."""
    yield error
    details = getattr(error, "exception_details", None)  # of Beam: an error for each file
    for each in details.values() if isinstance(details, dict) else ():
        if isinstance(each, BaseException):
            yield from _within(each)
    if error.__cause__ is not None:
        yield from _within(error.__cause__)


def _last(error: BaseException) -> BaseException:
    """Returns what the last attempt failed with, of an error about attempts that ended."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def without_request(message: str) -> str:
    """Returns a message of Google's clients without the request that it begins with."""
    return _REQUEST.sub("", message)


def told(error: BaseException) -> str:
    """Returns what a service says in an error, without the request that its message repeats."""
    response: Any = getattr(error, "response", None)
    with suppress(AttributeError, LookupError, TypeError, ValueError):  # no JSON, or another's
        return in_short(str(response.json()["error"]["message"]))
    text = without_request(" ".join(str(error).split()))
    code = _code(error)
    if code is not None and (_STATUS in text or not text):
        return f"status {code}"
    return in_short(text) or type(error).__name__


def _code(error: BaseException) -> int | None:
    """Returns the HTTP status of an error, if it has one."""
    response = getattr(error, "response", None)
    code = getattr(error, "code", None) or getattr(response, "status_code", None)
    return int(code) if isinstance(code, int) else None
