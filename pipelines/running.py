"""Running a Beam pipeline, on this machine or elsewhere."""

import argparse
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import RunError, UserError
from models.inference import runtime
from models.presets.lookup import find_preset
from pipelines.failures import root_cause
from pipelines.reporting.console import progress_bar
from transforms.files import is_remote

if TYPE_CHECKING:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from transforms.progress import RunProgress

# The runner on this machine. Beam's DirectRunner would first try to download another.
_LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = (
    "DirectRunner",
    _LOCAL_RUNNER,
    "BundleBasedDirectRunner",
    "SwitchingDirectRunner",
)
_DATAFLOW = "DataflowRunner"

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

# How long a job that was cancelled is waited for.
_CANCEL_MILLISECONDS = 60_000


def _value_of(flag: str, beam_flags: Sequence[str]) -> str | None:
    """Returns the value of an option of Beam, without importing Beam."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, dest="value")
    value: str | None = parser.parse_known_args(beam_flags)[0].value
    return value


def runner_of(beam_flags: Sequence[str]) -> str:
    """Returns the class name of the runner that Beam options ask for, without importing Beam.

    Beam takes the name of a runner in any case, with its module, and without `Runner` at the end.
    """
    given = _value_of("--runner", beam_flags) or _LOCAL_RUNNER
    name = given.rpartition(".")[2]
    for known in (*_LOCAL_RUNNERS, _DATAFLOW):
        if name.lower() in (known.lower(), known.removesuffix("Runner").lower()):
            return known
    return name


def is_local(runner: str) -> bool:
    """Returns whether a runner, by its class name, does the work on this machine."""
    return runner in _LOCAL_RUNNERS


def check_template(runner: str, beam_flags: Sequence[str]) -> None:
    """Raises `UserError` if a job shall be written that the runner cannot write.

    Args:
        runner: Class name of the runner.
        beam_flags: Options of Beam.
    """
    location = _value_of("--template_location", beam_flags)
    if location and runner != _DATAFLOW:
        raise UserError(f"--template_location={location} is for --runner={_DATAFLOW}")


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


def check_reach(runner: str, preset: str, inputs: Sequence[str], output: str) -> None:
    """Raises `UserError` for what Dataflow workers cannot reach, or would each fetch.

    Args:
        runner: Class name of the runner.
        preset: Name of a bundled or registered preset, a folder, or a URI.
        inputs: Files, globs and folders; none for the bundled sample.
        output: Folder to write to.
    """
    if runner != _DATAFLOW:
        return
    known = find_preset(preset)
    is_in_bucket = known.uri is not None and known.uri.startswith("gs://")
    if known.state != "bundled" and not is_in_bucket:
        where = "at a hub, which every worker would ask" if known.uri else "on this machine only"
        raise UserError(
            f"--preset={preset} is {where}; put it into a bucket once: python -m pipelines.presets "
            f"fetch {preset} --output=gs://BUCKET/presets/NAME"
        )
    if not inputs:
        raise UserError(f"the bundled sample is on this machine only; give {_DATAFLOW} an --input")
    for flag, path in (*(("--input", path) for path in inputs), ("--output", output)):
        if not is_remote(path):
            raise UserError(
                f"{flag}={path} is on this machine only, and Dataflow workers are on others; "
                "give a path in a bucket, gs://…"
            )


@dataclass
class JobState:
    """What is known of a pipeline.

    Attributes:
        has_ended: Whether nobody works on it: it has not begun, or has come to an end.
        template: Where it was written for somebody who will start it, instead of being started.
    """

    has_ended: bool = True
    template: str | None = None


def run_pipeline(
    build: "Callable[[beam.Pipeline], None]",
    beam_flags: Sequence[str],
    total_bytes: float,
    progress: "RunProgress",
    job: JobState,
) -> None:
    """Builds a pipeline and runs it to its end.

    Without a `--runner` it runs in this process and shows a progress bar on a terminal. A job that
    runs elsewhere is cancelled if the wait for its end is interrupted. With `--template_location`
    it is written and not run.

    Args:
        build: Applies the transforms.
        beam_flags: Options of Beam.
        total_bytes: Bytes to read, for the progress bar.
        progress: Where the pipeline counts what it has done.
        job: Is told whether the pipeline has ended, however this function does.

    Raises:
        UserError: The options do not fit together, or a step failed through a user's mistake.
        RunError: A step failed for another reason.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import (
        DirectOptions,
        GoogleCloudOptions,
        PipelineOptions,
        StandardOptions,
    )
    from apache_beam.runners.runner import PipelineState

    options = PipelineOptions(list(beam_flags))
    runs_here = is_local(runner_of(beam_flags))
    template = options.view_as(GoogleCloudOptions).template_location
    if runs_here:
        options.view_as(StandardOptions).runner = _LOCAL_RUNNER
    else:
        _check_runner(options)
    # Other processes keep their progress to themselves.
    is_here = runs_here and options.view_as(DirectOptions).direct_running_mode != "multi_processing"
    bar = (
        progress_bar(total_bytes, lambda: (progress.bytes_read, progress.rows_done))
        if is_here
        else contextlib.nullcontext()
    )
    try:
        if not runs_here:  # what they say is where to watch the job
            logging.basicConfig(level=logging.INFO, format="%(message)s")
        with _quiet_logs if runs_here else contextlib.nullcontext(), bar:
            pipeline = beam.Pipeline(options=options)
            build(pipeline)
            if not is_here:
                runtime.resume_collection()  # TensorFlow will not start in this process
            job.has_ended = runs_here or bool(template)
            result = pipeline.run()
            if template:
                job.has_ended, job.template = False, template
                return
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                if not runs_here:
                    result.cancel()
                    result.wait_until_finish(duration=_CANCEL_MILLISECONDS)
                raise
            finally:
                # What cannot be asked may be at work still.
                with contextlib.suppress(Exception):
                    job.has_ended = job.has_ended or PipelineState.is_terminal(result.state)
    except Exception as error:
        cause = root_cause(error)
        if _WORKER_DIED in str(cause):
            cause = RunError("a worker process died: was it killed, or short of memory?")
        if str(cause) == "KeyboardInterrupt":  # the local runner wraps it like any other
            raise KeyboardInterrupt from None
        raise cause from error


def _check_runner(options: "PipelineOptions") -> None:
    """Raises `UserError` unless there is such a runner and it has the options that it needs."""
    from apache_beam.options.pipeline_options import (
        SetupOptions,
        StandardOptions,
        WorkerOptions,
    )
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners import create_runner

    name = options.view_as(StandardOptions).runner
    try:
        runner = create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(f"--runner={name}: {error}") from None
    if problems := PipelineOptionsValidator(options, runner).validate():
        raise UserError(f"--runner={name}: {' '.join(problems)}")
    setup, workers = options.view_as(SetupOptions), options.view_as(WorkerOptions)
    packages = (setup.setup_file, setup.extra_packages, setup.requirements_file)
    if type(runner).__name__ == _DATAFLOW and not any((*packages, workers.sdk_container_image)):
        raise UserError(
            f"--runner={name}: nothing brings this program to the workers; give "
            "--setup_file=./setup.py, or an --sdk_container_image in which it is installed"
        )


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


def _is_of_a_worker(failed: threading.ExceptHookArgs) -> bool:
    """Returns whether a thread failed that speaks with a worker process, or waits for its end."""
    name = failed.thread.name if failed.thread is not None else ""
    return "grpc" in failed.exc_type.__module__ or name == "run_worker"
