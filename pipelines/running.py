"""Running a Beam pipeline, on this machine or elsewhere."""

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import RunError, UserError
from models.inference import runtime
from pipelines import portable
from pipelines.dataflow.checks import DATAFLOW, check_submission
from pipelines.failures import root_cause
from pipelines.flags.options import value_of
from pipelines.reporting.console import progress_bar

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipelines.dataflow.submission import RunOfJob
    from transforms.progress import RunProgress

# The runner on this machine. Beam's DirectRunner would first try to download another.
_LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = (
    "DirectRunner",
    _LOCAL_RUNNER,
    "BundleBasedDirectRunner",
    "SwitchingDirectRunner",
)

# Options of Beam's own ways to stores, by the schemes for which Textbeam has another.
_STORE_FLAGS = (
    (("s3://",), "--s3_", "AWS_ENDPOINT_URL, AWS_PROFILE and the like in the environment"),
    (
        ("az://", "abfs://", "abfss://"),
        ("--azure_", "--blob_service_endpoint"),
        "AZURE_STORAGE_CONNECTION_STRING and the like in the environment",
    ),
)

# What Beam's local runner says when it hears no more of a worker process.
_WORKER_DIED = "Channel closed prematurely"

# Where Beam speaks with a job server: it prepares, stages, and in `run` starts a job.
_PORTABLE_RUNNER = "portable_runner.py"

# Its thread that reads what a job server says, which ends soon after its connection.
_READER, _READER_SECONDS = "wait_until_finish_read", 5.0

# How long a job that was cancelled is waited for.
_CANCEL_MILLISECONDS = 60_000


def runner_of(beam_flags: Sequence[str]) -> str:
    """Returns the class name of the runner that Beam options ask for, without importing Beam.

    Beam takes the name of a runner in any case, with its module, and without `Runner` at the end.
    """
    given = value_of("--runner", beam_flags) or _LOCAL_RUNNER
    name = given.rpartition(".")[2]
    for known in (*_LOCAL_RUNNERS, DATAFLOW):
        if name.lower() in (known.lower(), known.removesuffix("Runner").lower()):
            return known
    return name


def checked_runner(args: "argparse.Namespace", beam_flags: list[str]) -> tuple[str, list[str]]:
    """Returns the runner that is asked for, and the flags that Beam gets for it.

    Args:
        args: The flags of the command.
        beam_flags: The flags that are left for Beam.

    Raises:
        UserError: The runner cannot do what is asked for, or lacks something.
    """
    runner = runner_of(beam_flags)
    if args.detach:
        check_detach(runner)
    check_template(runner, beam_flags)
    check_store_flags(beam_flags, [*(args.input or []), args.output])
    if runner == DATAFLOW:
        return runner, check_submission(args, beam_flags)
    if args.accelerator:
        raise UserError(
            f"--accelerator is for --runner={DATAFLOW}; other runners use the GPUs that their "
            "machines have"
        )
    return runner, beam_flags


def is_local(runner: str) -> bool:
    """Returns whether a runner, by its class name, does the work on this machine."""
    return runner in _LOCAL_RUNNERS


def check_template(runner: str, beam_flags: Sequence[str]) -> None:
    """Raises `UserError` if a job shall be written that the runner cannot write.

    Args:
        runner: Class name of the runner.
        beam_flags: Options of Beam.
    """
    location = value_of("--template_location", beam_flags)
    if location and runner != DATAFLOW:
        raise UserError(f"--template_location={location} is for --runner={DATAFLOW}")


def check_store_flags(beam_flags: Sequence[str], paths: Sequence[str]) -> None:
    """Raises `UserError` for options of Beam's own way to a store, which is not taken.

    Args:
        beam_flags: Options of Beam.
        paths: What is read and written.
    """
    for scheme, start, instead in _STORE_FLAGS:
        given = [flag.partition("=")[0] for flag in beam_flags if flag.startswith(start)]
        if given and any(path.startswith(scheme) for path in paths):
            raise UserError(f"{given[0]} has no effect on {scheme[0]}… paths: set {instead}")


@dataclass
class JobState:
    """What is known of a pipeline.

    Attributes:
        has_ended: Whether nobody works on it: it has not begun, or is known to have ended.
        is_detached: Whether a job elsewhere is only submitted, and not waited for.
        template: Where it was written for somebody who will start it, instead of being started.
        said: What to say of a job that may go on.
        identity: What its service calls it, if it has one.
        watch: The command that says how it is going, if there is one.
    """

    has_ended: bool = True
    is_detached: bool = False
    template: str | None = None
    said: str = (
        "the job may go on elsewhere, and its files stay: when it has ended, --if_exists=update "
        "goes on from them"
    )
    identity: str | None = None
    watch: str = ""


def check_detach(runner: str) -> None:
    """Raises `UserError` unless a runner's jobs can be left alone, and found again."""
    if runner != DATAFLOW:
        where = "the work is done in this process" if is_local(runner) else f"and not for {runner}"
        raise UserError(f"--detach is for jobs of --runner={DATAFLOW}; {where}")


def run_pipeline(
    build: "Callable[[beam.Pipeline], None]",
    beam_flags: Sequence[str],
    progress: "RunProgress",
    job: JobState,
    run: "RunOfJob",
    lock: str,
) -> None:
    """Builds a pipeline and runs it to its end.

    Without a `--runner` it runs in this process and shows a progress bar on a terminal. A job that
    runs elsewhere goes on if the wait for its end is interrupted. With `--template_location` it is
    written and not run.

    Args:
        build: Applies the transforms.
        beam_flags: Options of Beam.
        progress: Where the pipeline counts what it has done.
        job: Is told whether the pipeline has ended, however this function does.
        run: What the pipeline works on.
        lock: Token of the lock under which it works.

    Raises:
        UserError: The options do not fit together, or a step failed through a user's mistake.
        RunError: A step failed for another reason.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import (
        DirectOptions,
        PipelineOptions,
        StandardOptions,
    )

    options = PipelineOptions(list(beam_flags))
    runner = runner_of(beam_flags)
    runs_here = is_local(runner)
    if runs_here:
        options.view_as(StandardOptions).runner = _LOCAL_RUNNER
    else:
        _check_runner(options)
    # Other processes keep their progress to themselves.
    is_here = runs_here and options.view_as(DirectOptions).direct_running_mode != "multi_processing"
    bar = (
        progress_bar(run.size, lambda: (progress.bytes_read, progress.rows_done))
        if is_here
        else contextlib.nullcontext()
    )

    def build_pipeline() -> beam.Pipeline:
        pipeline = beam.Pipeline(options=options)
        build(pipeline)
        if not is_here:
            runtime.resume_collection()  # TensorFlow will not start in this process
        return pipeline

    try:
        if runner == DATAFLOW:
            from pipelines.dataflow.run import run_on_dataflow

            with _quiet_logs:
                run_on_dataflow(build_pipeline, options, run, lock, job)
        elif runs_here:
            with _quiet_logs, bar:
                build_pipeline().run().wait_until_finish()
        else:
            _run_elsewhere(build_pipeline(), options, job)
    except Exception as error:
        cause = root_cause(error)
        if _WORKER_DIED in str(cause):
            cause = RunError("a worker process died: was it killed, or short of memory?")
        if str(cause) == "KeyboardInterrupt":  # the local runner wraps it like any other
            raise KeyboardInterrupt from None
        raise cause from error


def _run_elsewhere(pipeline: "beam.Pipeline", options: "PipelineOptions", job: JobState) -> None:
    """Runs a pipeline on a runner of which only the interface of Beam is known."""
    import grpc
    from apache_beam.options.pipeline_options import PortableOptions
    from apache_beam.runners.portability.portable_runner import PortableRunner
    from apache_beam.runners.runner import PipelineState

    # Changes of the job's state.
    logging.getLogger("apache_beam.runners.portability.portable_runner").setLevel(logging.INFO)
    portable = options.view_as(PortableOptions)
    needs_us = portable.job_endpoint == "embed" or portable.environment_type == "LOOPBACK"
    job.has_ended = False
    try:
        result = pipeline.run()
    except Exception as error:
        is_known = isinstance(pipeline.runner, PortableRunner)
        job.has_ended = is_known and not _was_asked_for(error)
        raise
    try:
        with _quiet_connections():
            result.wait_until_finish()
        job.has_ended = True
    except KeyboardInterrupt:
        if needs_us:  # the job or its workers are in this process, and end with it
            result.cancel()
            result.wait_until_finish(duration=_CANCEL_MILLISECONDS)
        raise
    except grpc.RpcError as error:
        code = error.code().name if isinstance(error, grpc.Call) else "no answer"
        raise RunError(
            f"the job server at {portable.job_endpoint} does not answer any more ({code})"
        ) from error
    finally:
        # What cannot be asked may be at work still.
        with contextlib.suppress(Exception):
            job.has_ended = job.has_ended or PipelineState.is_terminal(result.state)


def _was_asked_for(error: BaseException) -> bool:
    """Returns whether a submission failed at the request by which a job server starts a job."""
    return any(
        frame.f_code.co_name == "run" and Path(frame.f_code.co_filename).name == _PORTABLE_RUNNER
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _check_runner(options: "PipelineOptions") -> None:
    """Raises `UserError` unless there is such a runner and it has the options that it needs."""
    from apache_beam.options.pipeline_options import StandardOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners import create_runner

    name = options.view_as(StandardOptions).runner
    portable.check_is_taken(name)
    try:
        runner = create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(f"--runner={name}: {error}") from None
    if problems := PipelineOptionsValidator(options, runner).validate():
        raise UserError(f"--runner={name}: {' '.join(problems)}")
    portable.check_portable(runner, options)


class _QuietLogs:
    """Silences logs if what they say is on the screen already.

    Several runs may be at work in a process: the last one to end restores what the first found.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0

    def __enter__(self) -> None:
        with self._lock:
            self._runs += 1
            if self._runs > 1:
                return
            root = logging.getLogger()
            self._level, self._show = root.level, threading.excepthook
            root.setLevel(logging.CRITICAL)
            threading.excepthook = self._show_others

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                logging.getLogger().setLevel(self._level)
                threading.excepthook = self._show

    def _show_others(self, failed: threading.ExceptHookArgs) -> None:
        # When a worker process dies, threads of Beam and of gRPC fail one after another.
        if not _is_of_a_worker(failed):
            self._show(failed)


_quiet_logs = _QuietLogs()


@contextlib.contextmanager
def _quiet_connections() -> Iterator[None]:
    """Lets threads that read from a job server fail in silence: who waits for it says why."""
    show = threading.excepthook

    def show_others(failed: threading.ExceptHookArgs) -> None:
        if not _is_of_a_worker(failed):
            show(failed)

    threading.excepthook = show_others
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == _READER:
                thread.join(_READER_SECONDS)
        threading.excepthook = show


def _is_of_a_worker(failed: threading.ExceptHookArgs) -> bool:
    """Returns whether a thread failed that speaks with a worker process, or waits for its end."""
    name = failed.thread.name if failed.thread is not None else ""
    return "grpc" in failed.exc_type.__module__ or name == "run_worker"
