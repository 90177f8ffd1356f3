"""Submitting a run as a job, so that whoever finds the job or the run's folder finds the other."""

import contextlib
import json
import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from models.errors import UserError
from pipelines.dataflow.service import Service, ServiceError, has_ended, service_error, state_of
from transforms.job_record import JobRecord
from transforms.writing.folder import RUN_ID, open_folder, storage_errors

if TYPE_CHECKING:
    import apache_beam as beam
    from google.cloud.dataflow import Job

    from pipelines.running import JobState

COMMAND_LABEL, RUN_LABEL = "textbeam-command", "textbeam-run"
"""Labels of our jobs: the command, and the id of the run."""

# Functions of Beam's client: one stages files, then one sends the request that makes a job.
_STAGING, _REQUESTING = "create_job_description", "submit_job_description"

_NO_JOB = ""


class RunOptions(PipelineOptions):
    """What a job is told about its run, for those who ask for the job later."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument("--textbeam_run")


@dataclass(frozen=True)
class RunOfJob:
    """The run that a job works on.

    Attributes:
        command: The command that submitted it.
        output: The output folder.
        run_id: The run.
        max_rejected: How many rows may be rejected, as the flag has it.
        size: Bytes of input that the job has to read.
    """

    command: str
    output: str
    run_id: str
    max_rejected: str | None = None
    size: float = 0.0

    @classmethod
    def of(cls, job: "Job") -> "RunOfJob | None":
        """Returns the run of a job that was asked for as a whole, or None if it has none."""
        try:
            run = cls(**json.loads(job.environment.sdk_pipeline_options["options"]["textbeam_run"]))
        except (KeyError, TypeError, ValueError):
            return None
        texts = (run.command, run.output, run.run_id, run.max_rejected or "")
        is_ours = all(isinstance(text, str) for text in texts) and re.fullmatch(RUN_ID, run.run_id)
        return run if is_ours and isinstance(run.size, (int, float)) else None


def submit(
    pipeline: "beam.Pipeline", service: Service, run: RunOfJob, lock: str, job: "JobState"
) -> str | None:
    """Submits a pipeline.

    Args:
        pipeline: With all transforms; its options get a name and labels.
        service: Where the job will run.
        run: What it works on.
        lock: Token of the lock under which it works.
        job: Is told whether there is a job, however this function ends, or a template.

    Returns:
        The job's id, also if the service's answer was lost; None if the options ask for a template,
        or for no job.

    Raises:
        UserError: The service refused the job.
    """
    options = pipeline.options
    cloud = options.view_as(GoogleCloudOptions)
    cloud.job_name = cloud.job_name or f"textbeam-{run.command}-{run.run_id}"
    labels = {COMMAND_LABEL: run.command, RUN_LABEL: run.run_id}
    cloud.labels = [*(cloud.labels or []), *(f"{key}={value}" for key, value in labels.items())]
    options.view_as(RunOptions).textbeam_run = json.dumps(asdict(run))
    if cloud.template_location:
        # It is written, or nobody will start it; until then there is no job to ask for.
        with _silent_client():
            pipeline.run()
        job.has_ended, job.template = False, cloud.template_location
        return None
    place, name = service.place, cloud.job_name
    record = JobRecord(name, None, place.project, place.region, place.endpoint, lock)
    folder = open_folder(run.output)
    with storage_errors(f"write to {run.output}"):
        record.save(folder, run.run_id)
    job.has_ended = False
    job.said = (
        f"job {name} may have been submitted, and its files stay: python -m pipelines.jobs "
        f"{place.flags} lists it if so"
    )
    identity: str | None
    try:
        with _silent_client():
            result: Any = pipeline.run()
        # A dry run gives none.
        identity = result.job_id() if getattr(result, "has_job", False) else None
        if identity is None:
            job.has_ended = True
            return None
    except BaseException as error:
        steps = {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}
        refusal = None if _STAGING in steps else _refusal(error, service)
        if _STAGING in steps or refusal is not None:
            job.has_ended = True
            raise refusal or error from None
        identity = _job_made(service, name, run.run_id)
        # It may be late where an answer was lost; where nothing was sent, it is not there.
        job.has_ended = identity == _NO_JOB and _REQUESTING not in steps
        if job.has_ended:
            raise
        if identity in (None, _NO_JOB):
            raise
        assert identity is not None
        _remember(record, identity, run, service, job)
        if not isinstance(error, Exception):
            raise
    else:
        _remember(record, identity, run, service, job)
    return identity


@contextlib.contextmanager
def _silent_client() -> Iterator[None]:
    """Keeps Beam's client from logging as fatal what is told in a line."""
    logger = logging.getLogger("apache_beam.runners.dataflow.internal.apiclient")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _remember(
    record: JobRecord, identity: str, run: RunOfJob, service: Service, job: "JobState"
) -> None:
    job.said = (
        f"job {identity} goes on: {service.place.watching(identity)} says how it is going, and "
        "with --cancel ends it; what it leaves undone, --if_exists=update finishes"
    )
    with contextlib.suppress(Exception):  # it is found by its name, too
        record.with_id(identity).save(open_folder(run.output), run.run_id)


def _job_made(service: Service, name: str, run_id: str) -> str | None:
    """Returns the id of the job that a submission made before it failed.

    Returns:
        The id; `_NO_JOB` if there is none; None if the service does not say.
    """
    try:
        for found in service.jobs(name):
            if dict(found.labels).get(RUN_LABEL) == run_id and not has_ended(state_of(found)):
                return found.id
    except ServiceError:
        return None
    return _NO_JOB


def _refusal(error: BaseException, service: Service) -> UserError | None:
    """Returns what to say if the service has refused to make a job."""
    from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

    if isinstance(error, DataflowJobAlreadyExistsError):
        return UserError(f"{error} Or wait for its end.")
    known = service_error(error)
    if known is None or not (known.is_refusal or known.is_login):
        return None
    where = f"{service.place.region} of project {service.place.project}"
    return UserError(f"Dataflow in {where} did not take the job: {known}")
