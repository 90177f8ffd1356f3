"""What is checked before a job is submitted to Dataflow: all at once, in a few seconds.

Google's clients and Beam's wait for minutes for what is not there. Here everything is asked at the
same time and twice at most, and what has not answered by then does not answer.
"""

import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from models.errors import MistakesError, UserError
from models.hubs.google_errors import LOG_IN, explained, told
from models.hubs.remote import in_short
from models.presets.lookup import find_preset
from pipelines.dataflow.accelerators import pool_flags
from pipelines.dataflow.staging import backend_flags
from transforms.files import is_remote

if TYPE_CHECKING:
    import argparse

    from google.cloud import storage

DATAFLOW = "DataflowRunner"
"""The class name of the runner."""

# Seconds for a request, with what is tried again, and for all requests together.
_REQUEST_SECONDS = 2.5
_SECONDS = 3.0

# The folder for temporary files in the output's bucket, if no other is named.
_TEMPORARY = "textbeam-tmp"

_PROJECT = re.compile(r"(?:[a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]*[a-z0-9]")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+)+[0-9]+")
_JOB_NAME = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_LOCATION = re.compile(r"gs://[a-z0-9][-_.a-z0-9]+[a-z0-9]/[^\r\n]*")

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

Probe = Callable[[], str | None]
"""Asks for one thing; returns what is wrong with it, if anything is."""


def check_submission(args: "argparse.Namespace", beam_flags: Sequence[str]) -> list[str]:
    """Checks, before any work, that a job can be submitted and its workers can do their work.

    Args:
        args: The command's flags.
        beam_flags: Beam's options as the user gave them.

    Returns:
        Beam's options, with those that follow from the command's flags or are taken for granted.

    Raises:
        MistakesError: All that is wrong, in a sentence each.
    """
    from pipelines.flags.beam_flags import beam_options

    given = beam_options(beam_flags)
    mistakes: list[str] = []
    added = [
        *_places(args, given, mistakes),
        *_collected(mistakes, lambda: pool_flags(args.accelerator, given), args.accelerator),
        *_collected(mistakes, lambda: backend_flags(given)),
    ]
    mistakes += [*_of_flags(given), *_out_of_reach(args)]
    packages = (given.setup_file, given.extra_packages, given.sdk_container_image)
    if not any(packages) and not args.accelerator:  # which asks for an image
        mistakes.append(
            "nothing brings this program to the workers: give --setup_file=./setup.py, or an "
            "--sdk_container_image in which it is installed"
        )
    _raise_if_any(mistakes)
    flags = [*beam_flags, *added]
    _raise_if_any(_asked(_Asking(args, beam_options(flags))))
    return flags


def _raise_if_any(mistakes: Sequence[str]) -> None:
    if mistakes:
        raise MistakesError(mistakes)


def _collected(
    mistakes: list[str], make: Callable[[], list[str]], is_asked: object = True
) -> list[str]:
    """Returns the flags that a function makes, or adds why it cannot to the mistakes."""
    try:
        return make() if is_asked else []
    except UserError as error:
        mistakes.append(str(error))
        return []


def _places(
    args: "argparse.Namespace", given: "argparse.Namespace", mistakes: list[str]
) -> list[str]:
    """Returns the flags of a region and of a folder for temporary files that need not be given."""
    added = []
    if not given.region and (region := os.environ.get("CLOUDSDK_COMPUTE_REGION")):
        added.append(f"--region={region}")
    elif not given.region:
        mistakes.append("--region is missing: where the job is to run, such as us-central1")
    for flag in ("temp_location", "staging_location"):
        location = getattr(given, flag)
        if location and not _LOCATION.fullmatch(location) and not _is_served_here(given):
            mistakes.append(f"--{flag}={location} is not a folder in a bucket: give gs://BUCKET/…")
        if f"{location}/".startswith(f"{args.output.rstrip('/')}/") and not _is_bucket(args.output):
            mistakes.append(
                f"--{flag}={location} is in --output={args.output}: give a folder beside it, since "
                "a result holds nothing else"
            )
    if given.temp_location:
        return added
    if given.staging_location:
        return [*added, f"--temp_location={given.staging_location}"]
    bucket = re.match(r"gs://[^/]+", args.output)
    if bucket is None:
        mistakes.append(
            "--temp_location is missing: a folder in a bucket for the job's files, gs://BUCKET/…"
        )
        return added
    return [*added, f"--temp_location={bucket[0]}/{_TEMPORARY}"]


def _is_bucket(path: str) -> bool:
    """Returns whether a path is a whole bucket, which has nothing beside it."""
    return "/" not in path.removeprefix("gs://").rstrip("/")


def _is_served_here(given: "argparse.Namespace") -> bool:
    """Returns whether a program on this machine stands for Dataflow, as Beam judges it."""
    return urlsplit(given.dataflow_endpoint).netloc.startswith("localhost")


def _of_flags(given: "argparse.Namespace") -> list[str]:
    """Returns what is wrong with options of Beam, as far as they themselves tell."""
    found = []
    name = given.job_name
    if not given.project:
        found.append("--project is missing: the id of the Google Cloud project that pays")
    found += wrong_places(given)
    if name and not _JOB_NAME.fullmatch(name):
        found.append(
            f"--job_name={name} may have lower-case letters, digits and hyphens only, and begins "
            "with a letter"
        )
    for flag in ("update", "streaming"):
        if getattr(given, flag):
            found.append(
                f"--{flag} is for jobs without an end: leave it out; --if_exists=update brings a "
                "result up to date"
            )
    files = [(flag, getattr(given, flag)) for flag in ("setup_file", "requirements_file")]
    files += [("extra_package", path) for path in given.extra_packages or ()]
    for flag, path in files:
        if path and not is_remote(path) and not Path(path).is_file():
            found.append(f"--{flag}={path}: no such file")
    template = given.template_location or ""
    if not template.startswith("gs://") and (
        is_remote(template) or Path(template or "-").is_dir() or not Path(template).parent.is_dir()
    ):
        found.append(
            f"--template_location={template} is not a file that can be written: give one in a "
            "bucket, gs://BUCKET/…, or in a folder that is there"
        )
    return found


def wrong_places(given: "argparse.Namespace") -> list[str]:
    """Returns what is wrong with the project and the region that options of Beam name."""
    found = []
    project, region = given.project, given.region
    if project and (project.isdecimal() or not _PROJECT.fullmatch(project)):
        found.append(
            f"--project={project} is not the id of a project, which has lower-case letters, digits "
            "and hyphens: gcloud projects list shows the ids"
        )
    if region and not _REGION.fullmatch(region):
        zone = re.fullmatch(rf"({_REGION.pattern})-[a-z]", region)
        instead = f"a zone: give its region, {zone[1]}" if zone else "no region, as us-central1 is"
        found.append(f"--region={region} is {instead}")
    return found


def _out_of_reach(args: "argparse.Namespace") -> list[str]:
    """Returns what is wrong with paths that workers on other machines cannot reach."""
    found = []
    if not args.input:
        found.append(f"the bundled sample is on this machine only: give {DATAFLOW} an --input")
    for flag, path in (*(("input", path) for path in args.input or ()), ("output", args.output)):
        if not is_remote(path):
            found.append(
                f"--{flag}={path} is on this machine only, and Dataflow's workers are on others: "
                "give a path in a bucket, gs://…"
            )
    try:
        find_preset(args.preset)
    except UserError as error:
        found.append(str(error))
    return found


class _Asking:
    """What is asked of Google, with one login for all of it.

    Args:
        args: The command's flags.
        given: Beam's options, completed.

    Attributes:
        probes: What is asked about, and how.
        has_no_login: Whether credentials are looked for, and none are found.
    """

    def __init__(self, args: "argparse.Namespace", given: "argparse.Namespace") -> None:
        # Imported before any clock runs; each takes up to a second.
        import google.auth
        from google.cloud import dataflow, storage

        self._auth, self._dataflow, self._storage = google.auth, dataflow, storage
        self._given = given
        self._lock = threading.Lock()
        self._credentials: Any = None
        self.has_no_login = False
        self.probes: list[tuple[str, Probe]] = []
        folders = {
            folder: flag
            for flag in ("staging_location", "temp_location")
            if (folder := getattr(given, flag)) and folder.startswith("gs://")
        }
        # What another account may do, only that account is told.
        if not given.impersonate_service_account:
            self._ask_service()
            for folder, flag in reversed(folders.items()):
                self._add(f"--{flag}={folder}", self._write, folder)
            if (template := given.template_location or "").startswith("gs://"):
                self._add(f"--template_location={template}", self._write, template)
        if args.output.startswith("gs://"):
            self._add(f"--output={args.output}", self._look, args.output)
        if (uri := find_preset(args.preset).uri or "").startswith("gs://"):
            self._add(f"--preset={args.preset}", self._find, uri)

    def _add(self, what: str, ask: Callable[[str], None], folder: str) -> None:
        def probe() -> str | None:
            try:
                ask(folder)
            except Exception as error:
                bucket = _split(folder)[0]
                found = explained(error, bucket)
                return f"{what}: {found[1] if found else in_short(str(error))}"
            return None

        self.probes.append((what, probe))

    def _ask_service(self) -> None:
        # A template is written and no job created; the service may not be there.
        if self._given.template_location or self._given.dry_run:
            return
        what = f"--project={self._given.project} --region={self._given.region}"
        self.probes.append((what, self._list_jobs))

    def _log_in(self) -> Any:
        """Returns credentials, which are looked for once."""
        with self._lock:
            if self._credentials is None:
                self.has_no_login = True
                self._credentials, _ = self._auth.default(scopes=[_SCOPE])
                self.has_no_login = False
        return self._credentials

    @property
    def _client(self) -> "storage.Client":
        return self._storage.Client(project=self._given.project, credentials=self._log_in())

    @property
    def _patience(self) -> dict[str, Any]:
        from google.cloud.storage.retry import DEFAULT_RETRY

        return {"timeout": _REQUEST_SECONDS, "retry": DEFAULT_RETRY.with_timeout(_REQUEST_SECONDS)}

    def _write(self, folder: str) -> None:
        bucket, path = _split(folder)
        blob = self._client.bucket(bucket).blob(f"{path}textbeam-probe-{uuid.uuid4().hex}")
        blob.upload_from_string(b"", **self._patience)
        blob.delete(**self._patience)

    def _look(self, folder: str) -> None:
        self._first_of(folder)

    def _find(self, folder: str) -> None:
        if self._first_of(folder) is None:
            raise FileNotFoundError("no such folder, or an empty one")

    def _first_of(self, folder: str) -> "storage.Blob | None":
        bucket, path = _split(folder)
        found = self._client.list_blobs(bucket, prefix=path, max_results=1, **self._patience)
        return next(iter(found), None)

    def _list_jobs(self) -> str | None:
        """Asks Dataflow for one job of the project, which tells whether it knows both."""
        import google.api_core.exceptions as failures
        from google.auth.credentials import AnonymousCredentials

        given = self._given
        endpoint = given.dataflow_endpoint.strip().rstrip("/")
        is_rest = "localhost" in endpoint or "sandbox" in endpoint  # as Beam has it
        try:
            client = self._dataflow.JobsV1Beta3Client(
                credentials=AnonymousCredentials() if given.no_auth else self._log_in(),
                client_options={
                    "api_endpoint": endpoint if is_rest else re.sub("^https?://", "", endpoint)
                },
                transport="rest" if is_rest else None,
            )
            request = {"project_id": given.project, "location": given.region, "page_size": 1}
            next(iter(client.list_jobs(request, timeout=_REQUEST_SECONDS, retry=None)), None)
        except failures.Forbidden as error:
            return _refused(told(error), given)
        except (failures.NotFound, failures.BadRequest) as error:
            return (
                f"Dataflow knows no --project={given.project} in --region={given.region} "
                f"({told(error)})"
            )
        except Exception as error:
            found = explained(error)
            if found is not None and found[0] == "refused":
                return found[1]
            return f"Dataflow does not answer ({told(error)}): look at the network"
        return None


def _refused(text: str, given: "argparse.Namespace") -> str:
    if "has not been used" in text or "disabled" in text:
        return (
            f"--project={given.project} has not enabled Dataflow: gcloud services enable "
            f"dataflow.googleapis.com --project={given.project}"
        )
    return (
        f"--project={given.project}: there is none, or this account may not run jobs in it: "
        "it needs roles/dataflow.developer"
    )


def _split(folder: str) -> tuple[str, str]:
    """Returns the bucket of a folder, and the beginning of the names of what is in it."""
    bucket, _, path = folder.removeprefix("gs://").partition("/")
    path = path.rstrip("/")
    return bucket, f"{path}/" if path else ""


def _asked(asking: _Asking) -> list[str]:
    """Asks for everything at the same time; returns what is wrong, in order."""
    answers: SimpleQueue[tuple[int, str | None]] = SimpleQueue()

    def ask(number: int, probe: Probe) -> None:
        answers.put((number, probe()))

    for number, (_, probe) in enumerate(asking.probes):
        # Nobody waits for one that hangs, not even the end of the process.
        threading.Thread(target=ask, args=(number, probe), daemon=True).start()
    found: dict[int, str | None] = {}
    end = time.monotonic() + _SECONDS
    while len(found) < len(asking.probes):
        try:
            number, wrong = answers.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        found[number] = wrong
    if asking.has_no_login:
        return [f"no credentials of Google's are found: {LOG_IN}"]
    silent = (
        f"Google does not answer within {_SECONDS:g} seconds: look at the network, and try again"
    )
    wrong_ones = [
        found.get(number, f"{what}: {silent}") for number, (what, _) in enumerate(asking.probes)
    ]
    return list(dict.fromkeys(wrong for wrong in wrong_ones if wrong))
