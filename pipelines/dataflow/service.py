"""The Dataflow service as a user's own process asks it: jobs, their messages and counters.

Beam's client is for submitting. It tries again where a person should be told, for ten minutes if a
job does not exist, and gives up where one should wait; so Google's client is asked itself, once a
call, and `ServiceError` says what came of it.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from models.errors import UserError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from google.auth.credentials import Credentials
    from google.cloud.dataflow import Job, JobMessage

_Result = TypeVar("_Result")

DEFAULT_ENDPOINT = "https://dataflow.googleapis.com"

_SECONDS = 60  # for an answer
_NAMESPACE = "textbeam"
_LOGIN = (
    "the login to Google Cloud is missing or has expired: gcloud auth application-default login"
)
_MESSAGE_CHARACTERS = 300


class ServiceError(Exception):
    """The service did not answer, or refused.

    Attributes:
        is_login: Whether it asks for another login.
        is_not_found: Whether it knows no such job.
        is_refusal: Whether it has understood, and done nothing.
    """

    def __init__(self, reason: str, code: int | None = None, is_login: bool = False) -> None:
        super().__init__(reason)
        self.is_login = is_login
        self.is_not_found = code == 404
        self.is_refusal = code is not None and 400 <= code < 500 and code not in (408, 429)


@dataclass(frozen=True)
class Place:
    """Where jobs run.

    Attributes:
        project: The project that pays for them.
        region: Where they run.
        endpoint: URL of the service.
    """

    project: str
    region: str
    endpoint: str = DEFAULT_ENDPOINT

    @classmethod
    def of(cls, options: "PipelineOptions") -> "Place":
        """Returns the place that Beam's options name, or the environment.

        Raises:
            UserError: They name none.
        """
        from apache_beam.options.pipeline_options import GoogleCloudOptions
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

        cloud = options.view_as(GoogleCloudOptions)
        region = cloud.region or DataflowRunner().get_default_gcp_region()
        for flag, value in (("--project", cloud.project), ("--region", region)):
            if not value:
                raise UserError(f"{flag} is required: the one in which the jobs run")
        return cls(cloud.project, region, (cloud.dataflow_endpoint or "").strip("/ "))

    @property
    def flags(self) -> str:
        """The options that name it, as they are typed."""
        other = self.endpoint not in ("", DEFAULT_ENDPOINT)
        flags = [f"--project={self.project}", f"--region={self.region}"]
        if other:
            flags.append(f"--dataflow_endpoint={self.endpoint}")
        return shlex.join(flags)

    def watching(self, job_id: str) -> str:
        """Returns the command that says how a job is going, as it is typed."""
        return f"python -m pipelines.jobs {shlex.quote(job_id)} {self.flags}"

    def console(self, job_id: str) -> str:
        """Returns the address of a job's page."""
        return (
            f"https://console.cloud.google.com/dataflow/jobs/{self.region}/{job_id}"
            f"?project={self.project}"
        )


class Service:
    """Asks Dataflow; each call is one request, and raises `ServiceError` if it is not answered.

    Args:
        place: Where jobs run.
        options: Options of Beam; `--no_auth` and `--impersonate_service_account` count.
    """

    def __init__(self, place: Place, options: "PipelineOptions") -> None:
        self.place = place
        self._options = options
        self._clients: dict[str, Any] = {}

    def job(self, identity: str, whole: bool = False) -> "Job":
        """Returns a job.

        Args:
            identity: Its id.
            whole: Whether with the options that it was submitted with.
        """
        from google.cloud import dataflow

        view = dataflow.JobView.JOB_VIEW_ALL if whole else dataflow.JobView.JOB_VIEW_SUMMARY
        request = dataflow.GetJobRequest(**self._request(), job_id=identity, view=view)
        return self._ask("JobsV1Beta3Client", lambda client: client.get_job(request, **_ONCE))

    def jobs(self, name: str | None = None, most: int = 1000) -> "list[Job]":
        """Returns jobs, the newest first.

        Args:
            name: Only those of this name.
            most: How many are looked at.
        """
        from google.cloud import dataflow

        request = dataflow.ListJobsRequest(**self._request(), name=name or "")

        def ask(client: Any) -> "list[Job]":
            return list(islice(client.list_jobs(request, **_ONCE), most))

        return self._ask("JobsV1Beta3Client", ask)

    def messages(self, identity: str) -> "list[JobMessage]":
        """Returns the warnings and errors that a job has had so far, in order."""
        from google.cloud import dataflow

        least = dataflow.JobMessageImportance.JOB_MESSAGE_WARNING
        request = dataflow.ListJobMessagesRequest(
            **self._request(), job_id=identity, minimum_importance=least
        )

        def ask(client: Any) -> "list[JobMessage]":
            return sorted(client.list_job_messages(request, **_ONCE), key=lambda each: each.time)

        return self._ask("MessagesV1Beta3Client", ask)

    def counters(self, identity: str) -> dict[str, float]:
        """Returns what our transforms have counted, with the work that is under way."""
        from google.cloud import dataflow

        request = dataflow.GetJobMetricsRequest(**self._request(), job_id=identity)
        found = self._ask(
            "MetricsV1Beta3Client", lambda client: client.get_job_metrics(request, **_ONCE)
        )
        # A counter is there for each step, once as committed and once with what is under way.
        of_steps: dict[tuple[str, str], float] = {}
        for metric in found.metrics:
            context = metric.name.context
            if metric.name.origin == "user" and context.get("namespace") == _NAMESPACE:
                key = metric.name.name, context.get("step", "")
                value = metric.scalar
                if isinstance(value, (int, float)):
                    of_steps[key] = max(value, of_steps.get(key, 0))
        counters: dict[str, float] = {}
        for (name, _), value in of_steps.items():
            counters[name] = counters.get(name, 0) + value
        return counters

    def cancel(self, identity: str) -> None:
        """Asks a job to end; it takes the service a while."""
        from google.cloud import dataflow

        wanted = dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_CANCELLED)
        request = dataflow.UpdateJobRequest(**self._request(), job_id=identity, job=wanted)
        self._ask("JobsV1Beta3Client", lambda client: client.update_job(request, **_ONCE))

    def renew(self) -> None:
        """Lets the next call find a login that was renewed."""
        self._clients.clear()

    def _request(self) -> dict[str, str]:
        return {"project_id": self.place.project, "location": self.place.region}

    def _ask(self, kind: str, ask: Callable[[Any], _Result]) -> _Result:
        try:
            if kind not in self._clients:
                self._clients[kind] = self._client(kind)
            return ask(self._clients[kind])
        except Exception as error:
            known = service_error(error)
            if known is None:
                raise
            raise known from error

    def _client(self, kind: str) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.cloud import dataflow

        # Not gRPC, in whose errors an expired login looks like a network that is gone.
        return getattr(dataflow, kind)(
            credentials=_credentials(self._options),
            client_options=ClientOptions(api_endpoint=self.place.endpoint or DEFAULT_ENDPOINT),
            transport="rest",
        )


_ONCE: dict[str, Any] = {"retry": None, "timeout": _SECONDS}


def _credentials(options: "PipelineOptions") -> "Credentials":
    """Returns the login of this machine, or of the account that is to be impersonated with it."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from google.auth import impersonated_credentials
    from google.auth.credentials import AnonymousCredentials

    from models.hubs.google_login import find_login

    cloud = options.view_as(GoogleCloudOptions)
    if cloud.no_auth:
        return AnonymousCredentials()
    login = find_login(cloud.gcp_oauth_scopes)
    if not cloud.impersonate_service_account:
        return login
    *through, account = cloud.impersonate_service_account.split(",")
    return impersonated_credentials.Credentials(
        source_credentials=login,
        target_principal=account,
        delegates=through,
        target_scopes=cloud.gcp_oauth_scopes,
    )


def service_error(error: BaseException) -> ServiceError | None:
    """Returns what an exception of Google's client says, or None if it is of another kind."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.protobuf.json_format import ParseError

    if isinstance(error, GoogleAPICallError):
        code = error.code
        if code == 401:
            return ServiceError(_LOGIN, code, is_login=True)
        # Of a refusal over REST the message begins with the method and the URL.
        said = re.sub(r"^[A-Z]+ \S+: ", "", " ".join((error.message or "").split()))
        return ServiceError(f"{code} {said[:_MESSAGE_CHARACTERS]}" if code else said, code)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return ServiceError(_LOGIN, is_login=True)
    if isinstance(error, (OSError, requests.RequestException, TransportError)):
        return ServiceError(_lost(error))
    # Of a network that wants a person to log in first, in whatever encoding.
    if isinstance(error, (ParseError, ValueError)):
        return ServiceError("another server answers in its place")
    return None


def _lost(error: BaseException) -> str:
    """Returns why there was no answer, without the layers of libraries around it."""
    while error.__context__ is not None and not getattr(error, "strerror", None):
        error = error.__context__
    return getattr(error, "strerror", None) or "the connection was lost"


def state_of(job: "Job") -> str:
    """Returns a job's state in a word or two."""
    return job.current_state.name.removeprefix("JOB_STATE_").lower().replace("_", " ")


_ENDED = ("done", "failed", "cancelled", "drained")


def has_ended(state: str) -> bool:
    """Returns whether a job in a state will do nothing any more."""
    return state in _ENDED


def errors_in(messages: "Sequence[JobMessage]") -> Iterator[str]:
    """Yields what errors say, the likeliest cause last."""
    from google.cloud import dataflow

    error = dataflow.JobMessageImportance.JOB_MESSAGE_ERROR
    texts = [each.message_text for each in messages if each.message_importance == error]
    # What a worker raised tells more than what the service says of it.
    yield from sorted(texts, key=lambda text: "Traceback (most recent call last)" in text)
