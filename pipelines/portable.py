"""Checks before a job goes to a portable runner of Beam: is there who takes it, and works on it?

Beam would wait for five minutes for a job server that is not there, and for ever for a worker pool
that starts no workers. What is asked for in vain is a line here, before anything is written.
"""

import copy
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from models.errors import UserError

if TYPE_CHECKING:
    import grpc
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.portable_runner import PortableRunner
    from apache_beam.runners.runner import PipelineRunner
    from apache_beam.transforms.environments import Environment

_PAGE = "docs/flink-spark.md"

_EMBEDDED = "embed"
"""The job endpoint that stands for a job server in this process."""

# Runners that are not taken, with the reason.
_REFUSED = {
    "DaskRunner": "Beam's DaskRunner holds all rows of a run in the memory of one process, and "
    "mixes up outputs of steps",
    "InteractiveRunner": "it is for notebooks, and keeps the rows of each step",
    "KafkaStreamsRunner": "it is an experiment that Beam does not release",
}
_TAKEN = "DataflowRunner, FlinkRunner, SparkRunner, PortableRunner, or none for this machine"

_ENVIRONMENT_TYPES = "DOCKER, EXTERNAL, LOOPBACK and PROCESS"

_ADDRESS = re.compile(r"\[?(?P<host>[^/\s]+?)\]?:(?P<port>\d{1,5})")
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 15
_WORKER_SECONDS = 60  # a worker imports Beam first, maybe on a machine that is busy

_POOL_COMMAND = "python -m apache_beam.runners.worker.worker_pool_main --service_port="


def check_is_taken(runner: str) -> None:
    """Raises `UserError` if the runner of a name, as Beam takes them, is not for this work."""
    asked = runner.rpartition(".")[2].lower()
    for name, reason in _REFUSED.items():
        if asked in (name.lower(), name.removesuffix("Runner").lower()):
            raise UserError(f"--runner={runner}: {reason}; choose {_TAKEN}")


def check_portable(runner: "PipelineRunner", options: "PipelineOptions") -> None:
    """Raises `UserError` unless what a portable runner needs is there.

    Args:
        runner: The runner; one that is not portable passes.
        options: Options of Beam, which stay as they are.
    """
    from apache_beam.options.pipeline_options import PortableOptions
    from apache_beam.runners.portability.portable_runner import PortableRunner

    if not isinstance(runner, PortableRunner):
        return
    endpoint = options.view_as(PortableOptions).job_endpoint
    environment = _environment(runner, options)
    if endpoint == _EMBEDDED:
        _check_embedded(environment)
    elif endpoint:
        _check_job_server(endpoint)
    elif type(runner) is PortableRunner:
        raise UserError(
            "--runner=PortableRunner needs the job server that it submits to: give "
            f"--job_endpoint=HOST:PORT; {_PAGE} says how to start one"
        )
    else:
        _check_own_job_server(runner, options)
    _check_packages(runner, environment, options)


def _environment(runner: "PortableRunner", options: "PipelineOptions") -> "Environment":
    """Returns what workers are to run in, without what the submitter would send to them."""
    from apache_beam.options.pipeline_options import (
        PortableOptions,
        SetupOptions,
        StandardOptions,
    )

    bare = copy.deepcopy(options)
    bare.view_as(StandardOptions).runner = None  # whose workers would be told all packages here
    setup = bare.view_as(SetupOptions)
    setup.setup_file = setup.requirements_file = setup.extra_packages = None
    asked = bare.view_as(PortableOptions)
    try:
        return runner.default_environment(bare)
    except ValueError as error:
        if str(error).startswith("Unknown environment type"):  # which may be lower case for it
            raise UserError(
                f"--environment_type={asked.environment_type} is none of {_ENVIRONMENT_TYPES}"
            ) from None
        raise UserError(
            f"--environment_config={asked.environment_config} does not fit "
            f"--environment_type={asked.environment_type}: {error}"
        ) from None


def _check_embedded(environment: "Environment") -> None:
    """Raises `UserError` unless workers can be had by a job server in this process."""
    from apache_beam.transforms import environments

    if isinstance(environment, environments.ExternalEnvironment):
        _check_pool(environment.url)
    elif isinstance(environment, environments.ProcessEnvironment):
        raise UserError(
            f"--environment_type=PROCESS is not for --job_endpoint={_EMBEDDED}: start a worker "
            f"pool, {_POOL_COMMAND}PORT, and give --environment_type=EXTERNAL "
            "--environment_config=localhost:PORT"
        )
    elif isinstance(environment, environments.DockerEnvironment) and not shutil.which("docker"):
        raise UserError(
            "workers are to run in Docker, which is not installed here: install it, or start a "
            f"worker pool, {_POOL_COMMAND}PORT, and give --environment_type=EXTERNAL "
            "--environment_config=localhost:PORT"
        )


def _check_packages(
    runner: "PortableRunner", environment: "Environment", options: "PipelineOptions"
) -> None:
    """Raises `UserError` if workers would run in Beam's own image, which lacks this program."""
    from apache_beam.options.pipeline_options import SetupOptions
    from apache_beam.transforms.environments import DockerEnvironment

    setup = options.view_as(SetupOptions)
    packages = (setup.setup_file, setup.extra_packages, setup.requirements_file)
    if any(packages) or not isinstance(environment, DockerEnvironment):
        return
    if environment.container_image == DockerEnvironment.default_docker_image():
        raise UserError(
            f"--runner={type(runner).__name__}: nothing brings this program to the workers; give "
            "--environment_type=DOCKER --environment_config=IMAGE with an image in which it is "
            "installed, or --setup_file=./setup.py"
        )


def _check_own_job_server(runner: "PortableRunner", options: "PipelineOptions") -> None:
    """Raises `UserError` unless there is the job server that a runner starts by itself."""
    from apache_beam.runners.portability.job_server import JavaJarJobServer, SubprocessJobServer

    name = type(runner).__name__
    instead = f"start one, as {_PAGE} says, and give --job_endpoint=HOST:PORT"
    try:
        server: Any = runner.default_job_server(copy.deepcopy(options))
    except ValueError as error:
        raise UserError(f"--runner={name}: {error}") from None
    server = getattr(server, "_job_server", server)
    java = server._java_launcher if isinstance(server, JavaJarJobServer) else None
    if java and not shutil.which(java):
        raise UserError(
            f"--runner={name} starts its job server by {java!r}, which is not installed here: "
            f"install Java, or {instead}"
        )
    try:
        if java:
            server.local_jar(server.path_to_jar(), server._jar_cache_dir)
        elif isinstance(server, SubprocessJobServer):
            server.subprocess_cmd_and_endpoint()
    except Exception as error:  # of the network, of the disk, of a mirror's answer
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise UserError(f"--runner={name} has no job server: {reason}; {instead}") from None


def _check_job_server(address: str) -> None:
    """Raises `UserError` unless a job server of Beam answers at an address."""
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    flag = f"--job_endpoint={address}"
    instead = f"start a job server there ({_PAGE} says how), or give the address of another"
    with _connected(address, flag, instead) as channel:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        _ask(stub.DescribePipelineOptions, request, f"{flag}: no job server answers", instead)


def _check_pool(address: str) -> None:
    """Raises `UserError` unless a worker pool answers at an address, and starts workers."""
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    flag = f"--environment_config={address}"
    port = address.rpartition(":")[2]
    instead = f"start a worker pool there, {_POOL_COMMAND}{port if port.isdigit() else 'PORT'}"
    with _connected(address, flag, instead) as channel:
        pool = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        name = "textbeam-check"
        stop = beam_fn_api_pb2.StopWorkerRequest(worker_id=name)
        _ask(pool.StopWorker, stop, f"{flag}: no worker pool answers", instead)
        with _Control() as control:
            start = beam_fn_api_pb2.StartWorkerRequest(worker_id=name)
            start.control_endpoint.url = control.address
            answer = _ask(pool.StartWorker, start, f"{flag}: no worker pool answers", instead)
            has_begun = not answer.error and control.has_worker.wait(_WORKER_SECONDS)
        _ask(pool.StopWorker, stop, f"{flag}: the worker pool is gone", instead)
    if not has_begun:
        reason = f" ({answer.error.strip().splitlines()[-1]})" if answer.error else ""
        raise UserError(
            f"{flag}: the worker pool starts no workers{reason}: `python` on its PATH must be that "
            "of an environment in which this program is installed; its output says more"
        )


def _connected(address: str, flag: str, instead: str) -> "grpc.Channel":
    """Returns a channel to an address at which somebody listens."""
    import grpc

    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UserError(f"{flag} is no HOST:PORT")
    try:
        place = (match["host"], int(match["port"]))
        socket.create_connection(place, timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{flag}: nobody answers ({reason}); {instead}") from None
    return grpc.insecure_channel(address)


def _ask(method: Any, request: Any, problem: str, instead: str) -> Any:
    """Returns the answer of a service."""
    import grpc

    try:
        return method(request, timeout=_ANSWER_SECONDS)
    except grpc.RpcError as error:
        code = error.code()
        heard = "another service does" if code == grpc.StatusCode.UNIMPLEMENTED else code.name
        raise UserError(f"{problem} ({heard}); {instead}") from None


class _Control:
    """What a worker reports to; it is told to do nothing."""

    def __enter__(self) -> "_Control":
        import grpc
        from apache_beam.portability.api import beam_fn_api_pb2_grpc

        self.has_worker = threading.Event()
        self._is_over = threading.Event()
        check = self

        class Servicer(beam_fn_api_pb2_grpc.BeamFnControlServicer):
            def Control(self, requests: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - gRPC calls it so
                check.has_worker.set()
                check._is_over.wait()
                return iter(())

        self._server = grpc.server(ThreadPoolExecutor(1))
        self.address = f"localhost:{self._server.add_insecure_port('localhost:0')}"
        beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(Servicer(), self._server)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._server.stop(1).wait()
