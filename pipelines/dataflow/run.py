"""A run as a job on Dataflow: submitted, and watched to its end."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.errors import RunError
from pipelines.dataflow.service import Place, Service
from pipelines.dataflow.submission import RunOfJob, submit
from pipelines.dataflow.watch import Ended, LostSightError, Watch
from pipelines.reporting.console import tell

if TYPE_CHECKING:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipelines.running import JobState


def run_on_dataflow(
    build: "Callable[[], beam.Pipeline]",
    options: "PipelineOptions",
    run: RunOfJob,
    lock: str,
    job: "JobState",
) -> None:
    """Submits a job, and unless it is to be left alone watches it to its end.

    Args:
        build: Makes the pipeline.
        options: Options of Beam.
        run: What the job works on.
        lock: Token of the lock of its output folder.
        job: Says whether it is left alone; is told what is known of it.

    Raises:
        UserError: The service did not take the job.
        RunError: It failed or was cancelled, or could not be asked for any more.
    """
    service = Service(Place.of(options), options)
    identity = submit(build(), service, run, lock, job)
    if identity is None:
        return
    job.identity, job.watch = identity, service.place.watching(identity)
    tell(f"job {identity} is submitted")
    tell(f"console: {service.place.console(identity)}")
    if job.is_detached:
        return
    try:
        ended = Watch(service, identity, run.size).until_end()
    except LostSightError as error:
        raise RunError(f"{error}") from None
    job.has_ended = True
    if problem := problem_of(identity, ended):
        raise RunError(problem)


def problem_of(identity: str, ended: Ended) -> str:
    """Returns what to say of a job that has ended; nothing if it is done."""
    if ended.state == "done":
        return ""
    if ended.state == "failed":
        return f"job {identity} failed: {ended.cause or 'the service does not say why'}"
    return f"job {identity} was {ended.state}"
