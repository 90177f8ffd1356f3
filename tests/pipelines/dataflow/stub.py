"""Google Cloud Dataflow on loopback: what a submitter asks of it, and the jobs that it runs.

    with DataflowStub() as stub:
        run(classify.main, folder, *flags, *stub.flags(gcs_bucket))
        stub.last.request["environment"]["workerPools"][0]["machineType"]
        stub.last.pipeline()  # what was staged: the pipeline with its resource hints

A job starts as pending and becomes running when it is asked for; there it stays until `end`, or a
user's cancelling, ends it. With `workers` the stub runs what was staged, in a thread, and the job
ends as that does: results come to be in the emulated bucket.
"""

import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, Environment

from tests.servers import LoopbackServer

PROJECT, REGION = "p-roject", "us-central1"
_HOST = "localhost"  # the only one for which Beam speaks the protocol that this stub does

_JOBS = re.compile(
    r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs"
    r"(?:/(?P<id>[^/]+)(?:/(?P<part>messages|metrics))?)?"
)
_ENDED = ("JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
# What enumerations are in a query: a job's view with its environment, messages' importance.
_VIEW_ALL = ("2", "JOB_VIEW_ALL")
_IMPORTANCES = {
    "JOB_MESSAGE_DEBUG": 1,
    "JOB_MESSAGE_DETAILED": 2,
    "JOB_MESSAGE_BASIC": 5,
    "JOB_MESSAGE_WARNING": 3,
    "JOB_MESSAGE_ERROR": 4,
}
_RANKS = list(_IMPORTANCES)
_PAGE = 2  # jobs of a list's page: as few as make several pages


def embedded() -> Environment:
    """Returns workers in threads of this process."""
    return EmbeddedPythonEnvironment.default()


class StubJob:
    """A job that was submitted.

    Attributes:
        id: What the service calls it.
        request: The body of the request that created it.
        state: Its state.
        messages: What the service says of it.
        counters: The values of its user counters.
        ended: Is set when what was staged has been run.
    """

    def __init__(self, number: int, request: Mapping[str, Any]) -> None:
        self.id = f"2026-11-27_00_00_00-{number:019d}"
        self.request = request
        self.state = "JOB_STATE_PENDING"
        self.messages: list[dict[str, str]] = []
        self.counters: dict[str, float] = {}
        self.ended = threading.Event()
        self.created = _now()

    @property
    def options(self) -> dict[str, Any]:
        """The options of Beam that the workers get."""
        return self.request["environment"]["sdkPipelineOptions"]["options"]

    def pipeline(self) -> beam_runner_api_pb2.Pipeline:
        """Returns the pipeline that was staged."""
        with FileSystems.open(self.options["pipelineUrl"]) as file:
            return beam_runner_api_pb2.Pipeline.FromString(file.read())

    def say(self, text: str, importance: str = "JOB_MESSAGE_BASIC") -> None:
        """Adds a message."""
        self.messages.append(
            {
                "id": f"{len(self.messages)}",
                "time": _now(),
                "messageText": text,
                "messageImportance": importance,
            }
        )

    def end(self, state: str = "JOB_STATE_DONE", error: str = "") -> None:
        """Ends it, with the message of an error if there is one."""
        if error:
            self.say(error, "JOB_MESSAGE_ERROR")
        self.state = state

    def as_json(self, is_whole: bool = True) -> dict[str, Any]:
        """Returns it as the service describes it: of the environment only if asked for all."""
        known = {
            "id": self.id,
            "name": self.request["name"],
            "projectId": PROJECT,
            "location": REGION,
            "type": "JOB_TYPE_BATCH",
            "clientRequestId": self.request["clientRequestId"],
            "currentState": self.state,
            "currentStateTime": self.created,
            "createTime": self.created,
            "startTime": self.created,
            "labels": self.request.get("labels", {}),
        }
        return known | ({"environment": self.request["environment"]} if is_whole else {})

    def metrics(self) -> dict[str, Any]:
        """Returns its counters as the service does: committed, and with what is under way."""
        return {
            "metrics": [
                {
                    "name": {
                        "origin": "user",
                        "name": name,
                        "context": {"namespace": "textbeam", "step": "s3", **context},
                    },
                    "scalar": value,
                }
                for name, value in self.counters.items()
                for context in ({}, {"tentative": "true"})
            ]
        }


class DataflowStub:
    """A server of the part of Dataflow's interface that submitters use.

    Args:
        workers: Makes the environment in which what was staged is run; None runs nothing.

    Attributes:
        jobs: The jobs that were submitted, by their ids.
        fault: Called with the method and the path of each request; returns what to do instead of
            answering it: a status such as 403, `page` (a page is answered as by the login of a
            hotel), `latin` (one in another encoding), `cut` (nothing is done and the connection
            ends), or `lost` (it is done, and the connection ends); None for nothing.
        requests: The method and the path of each request.
    """

    def __init__(self, workers: Callable[[], Environment] | None = None) -> None:
        self.jobs: dict[str, StubJob] = {}
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.requests: list[tuple[str, str]] = []
        self._workers = workers
        self._lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                stub._handle(self)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - what it calls

            def log_message(self, *_: Any) -> None:
                pass

        self._server = LoopbackServer(Handler, host=_HOST)

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> "DataflowStub":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._server.stop()

    def service_flags(self) -> list[str]:
        """Returns the options that say which service is asked."""
        return [
            f"--project={PROJECT}",
            f"--region={REGION}",
            f"--dataflow_endpoint={self.url}",
            "--no_auth",
        ]

    def flags(self, bucket: str) -> list[str]:
        """Returns the options by which a job is submitted here, with an image that has all.

        Args:
            bucket: A `gs://` folder for what is staged, or a local one.
        """
        return [
            "--runner=DataflowRunner",
            *self.service_flags(),
            f"--temp_location={bucket}/tmp",
            f"--staging_location={bucket}/staging",
            "--sdk_container_image=us-docker.pkg.dev/p/r/i:1",
        ]

    @property
    def last(self) -> StubJob:
        """The job that was submitted last."""
        return list(self.jobs.values())[-1]

    def wait_for_job(self, seconds: float = 90) -> StubJob:
        """Returns the first job, once it is submitted."""
        deadline = time.monotonic() + seconds
        while not self.jobs:
            assert time.monotonic() < deadline, "no job was submitted"
            time.sleep(0.05)
        return next(iter(self.jobs.values()))

    def add(self, name: str, state: str = "JOB_STATE_RUNNING", **request: Any) -> StubJob:
        """Adds a job that somebody else has submitted."""
        with self._lock:
            asked = {"name": name, "clientRequestId": name, "environment": {}, **request}
            job = StubJob(len(self.jobs), asked)
            job.state = state
            self.jobs[job.id] = job
            return job

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.requests.append((request.command, request.path))
        fault = self.fault(request.command, request.path)
        if isinstance(fault, int):
            _answer(request, fault, {"error": {"code": fault, "message": "injected"}})
            return
        if fault == "page":
            _answer(request, 200, "<html>Welcome</html>")
            return
        if fault == "latin":
            _answer(request, 200, "<html>Zimmernummer für Gäste</html>".encode("latin-1"))
            return
        if fault == "cut":
            request.close_connection = True
            return
        with self._lock:
            status, content = self._result(request.command, request.path, body)
        if fault == "lost":
            request.close_connection = True
            return
        _answer(request, status, content)

    def _result(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match = _JOBS.fullmatch(url.path)
        if match is None or (match["project"], match["region"]) != (PROJECT, REGION):
            return 404, {"error": {"code": 404, "message": f"no such resource: {url.path}"}}
        if match["id"] is None:
            if method == "POST":
                return 200, self._create(json.loads(body)).as_json()
            return 200, self._list(query)
        job = self.jobs.get(match["id"])
        if job is None:
            return 404, {"error": {"code": 404, "message": f"no job {match['id']}"}}
        if match["part"] == "metrics":
            return 200, job.metrics()
        if match["part"] == "messages":
            return 200, {"jobMessages": _from(job.messages, query.get("minimumImportance"))}
        if method == "PUT":
            wanted = json.loads(body)["requestedState"]
            assert wanted in ("JOB_STATE_CANCELLED", 5), wanted
            if job.state not in _ENDED:
                job.state = "JOB_STATE_CANCELLED"
        known = job.as_json(query.get("view") in _VIEW_ALL)
        if job.state == "JOB_STATE_PENDING" and not self._workers:
            job.state = "JOB_STATE_RUNNING"
        return 200, known

    def _create(self, asked: Mapping[str, Any]) -> StubJob:
        for job in self.jobs.values():
            is_same = job.request["clientRequestId"] == asked["clientRequestId"]
            if is_same or (job.request["name"] == asked["name"] and job.state not in _ENDED):
                return job
        job = StubJob(len(self.jobs), asked)
        self.jobs[job.id] = job
        if self._workers is not None:
            threading.Thread(target=_run, args=(job, self._workers), daemon=True).start()
        return job

    def _list(self, query: Mapping[str, str]) -> dict[str, Any]:
        found = [
            job for job in self.jobs.values() if query.get("name") in (None, job.request["name"])
        ]
        found.reverse()  # the newest first
        first = int(query.get("pageToken") or 0)
        more = {"nextPageToken": f"{first + _PAGE}"} if first + _PAGE < len(found) else {}
        return {"jobs": [job.as_json(False) for job in found[first : first + _PAGE]]} | more


def _run(job: StubJob, workers: Callable[[], Environment]) -> None:
    """Runs what was staged; the job ends as that does."""
    job.state = "JOB_STATE_RUNNING"
    try:
        pipeline = job.pipeline()
        environment = workers().to_runner_api(None)  # type: ignore[arg-type]
        for each in pipeline.components.environments.values():
            each.CopyFrom(environment)
        options = PipelineOptions([])
        result = FnApiRunner(default_environment=workers()).run_via_runner_api(pipeline, options)
        result.wait_until_finish()
        for counter in result.metrics().query()["counters"]:
            name = counter.key.metric.name
            job.counters[name] = job.counters.get(name, 0) + counter.committed
        job.end()
    except BaseException:
        job.end("JOB_STATE_FAILED", traceback.format_exc())
    finally:
        job.ended.set()


def _from(messages: list[dict[str, str]], least: str | None) -> list[dict[str, str]]:
    """Returns the messages of an importance, which a query has as a name or a number, and above."""
    names = {f"{number}": name for name, number in _IMPORTANCES.items()}
    rank = _RANKS.index(names.get(least, least)) if least else 0
    return [each for each in messages if _RANKS.index(each["messageImportance"]) >= rank]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer(
    request: BaseHTTPRequestHandler, status: int, content: Mapping[str, Any] | str | bytes
) -> None:
    text = json.dumps(content) if isinstance(content, Mapping) else content
    encoded = text.encode() if isinstance(text, str) else text
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(encoded)))
    request.end_headers()
    request.wfile.write(encoded)
