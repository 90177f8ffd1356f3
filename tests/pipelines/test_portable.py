import socket
import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner
from apache_beam.runners.portability import job_server
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from models.errors import UserError
from pipelines import portable
from pipelines.portable import check_portable

EMBEDDED = ("--job_endpoint=embed",)
IN_A_POOL = (*EMBEDDED, "--environment_type=EXTERNAL")


def check(*flags: str, runner: str = "PortableRunner") -> None:
    options = PipelineOptions([f"--runner={runner}", *flags])
    before = options.get_all_options()
    check_portable(create_runner(runner), options)
    assert options.get_all_options() == before


def refusal(*flags: str, runner: str = "PortableRunner") -> str:
    with pytest.raises(UserError) as refused:
        check(*flags, runner=runner)
    (line,) = str(refused.value).splitlines()
    return line


@pytest.fixture
def free() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def server():
    """The address of a job server."""
    servicer = LocalJobServicer()
    yield f"localhost:{servicer.start_grpc_server()}"
    servicer.stop()


@pytest.fixture
def pool():
    """The address of a worker pool, which starts `python` of its PATH."""
    address, server = BeamFnExternalWorkerPoolServicer.start(use_process=True)
    yield address
    server.stop(0).wait()


@pytest.fixture
def silent():
    """An address at which somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


# Job servers


def test_other_runners_pass():
    check(runner="FnApiRunner")
    check(runner="DataflowRunner")


def test_without_the_address_of_a_job_server_there_is_none():
    assert refusal("--environment_type=LOOPBACK") == (
        "--runner=PortableRunner needs the job server that it submits to: give "
        "--job_endpoint=HOST:PORT; docs/flink-spark.md says how to start one"
    )


def test_a_job_server_that_answers_is_taken(server):
    check(f"--job_endpoint={server}", "--environment_type=LOOPBACK")
    check(f"--job_endpoint={server}", "--environment_type=LOOPBACK", runner="FlinkRunner")


def test_nobody_is_there(free):
    found = refusal(f"--job_endpoint={free}", "--environment_type=LOOPBACK")
    assert found == (
        f"--job_endpoint={free}: nobody answers (Connection refused); start a job server there "
        "(docs/flink-spark.md says how), or give the address of another"
    )


def test_somebody_else_is_there(pool):
    found = refusal(f"--job_endpoint={pool}", "--environment_type=LOOPBACK")
    assert f"--job_endpoint={pool}: no job server answers (another service does)" in found


def test_somebody_is_there_who_says_nothing(silent, monkeypatch):
    monkeypatch.setattr(portable, "_ANSWER_SECONDS", 1)
    found = refusal(f"--job_endpoint={silent}", "--environment_type=LOOPBACK")
    assert f"--job_endpoint={silent}: no job server answers (" in found


@pytest.mark.parametrize("address", ["nonsense", "http://localhost:8099", "localhost:"])
def test_an_address_is_a_host_and_a_port(address):
    assert refusal(f"--job_endpoint={address}") == f"--job_endpoint={address} is no HOST:PORT"
    flag = f"--environment_config={address}"
    assert refusal(*IN_A_POOL, flag) == f"{flag} is no HOST:PORT"


def test_a_port_is_a_number_of_a_port():
    assert "localhost:99999: nobody answers" in refusal("--job_endpoint=localhost:99999")


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner"])
def test_a_runner_that_starts_its_job_server_needs_java(runner, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = refusal(runner=runner)
    assert f"--runner={runner} starts its job server by 'java', which is not installed" in found
    assert "--job_endpoint=HOST:PORT" in found


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner", "PrismRunner"])
def test_a_job_server_that_cannot_be_fetched_is_said_in_a_line(runner, tmp_path, free, monkeypatch):
    (tmp_path / "java").write_text("#!/bin/sh\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{free}")
    monkeypatch.setattr(
        job_server.subprocess_server.JavaJarServer, "JAR_CACHE", str(tmp_path / "jars")
    )
    from apache_beam.runners.portability import prism_runner

    monkeypatch.setattr(prism_runner.PrismJobServer, "BIN_CACHE", str(tmp_path / "bin"))
    found = refusal(runner=runner)
    assert f"--runner={runner} has no job server: Unable to fetch" in found
    assert found.endswith(
        "; start one, as docs/flink-spark.md says, and give --job_endpoint=HOST:PORT"
    )


def test_options_that_a_runner_wants_of_its_own():
    found = refusal("--spark_submit_uber_jar", runner="SparkRunner")
    assert found == "--runner=SparkRunner: Option spark_rest_url must be set."


# Workers


def test_a_pool_that_starts_workers_is_taken(pool, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    check(*IN_A_POOL, f"--environment_config={pool}")
    check(*IN_A_POOL, f'--environment_config={{"url": "{pool}"}}')


def test_no_pool_is_there(free):
    flag = f"--environment_config={free}"
    port = free.rpartition(":")[2]
    assert refusal(*IN_A_POOL, flag) == (
        f"{flag}: nobody answers (Connection refused); start a worker pool there, python -m "
        f"apache_beam.runners.worker.worker_pool_main --service_port={port}"
    )


def test_what_is_there_is_no_pool(server):
    flag = f"--environment_config={server}"
    assert f"{flag}: no worker pool answers (another service does)" in refusal(*IN_A_POOL, flag)


def test_a_pool_without_python(pool, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    flag = f"--environment_config={pool}"
    found = refusal(*IN_A_POOL, flag)
    assert f"{flag}: the worker pool starts no workers (FileNotFoundError: " in found
    assert "`python` on its PATH must be that of an environment in which this program is" in found


def test_a_pool_with_a_python_that_knows_no_beam(pool, tmp_path, monkeypatch):
    (tmp_path / "python").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(portable, "_WORKER_SECONDS", 1)
    flag = f"--environment_config={pool}"
    assert f"{flag}: the worker pool starts no workers: `python`" in refusal(*IN_A_POOL, flag)


def test_a_pool_of_another_machine_is_that_machine_s(server, free):
    check(
        *(f"--job_endpoint={server}", "--environment_type=EXTERNAL"), f"--environment_config={free}"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--environment_type=external"],
            "--environment_type=external is none of DOCKER, EXTERNAL, LOOPBACK and PROCESS",
        ),
        (
            ["--environment_type=EXTERNAL", '--environment_config={"a": 1}'],
            '--environment_config={"a": 1} does not fit --environment_type=EXTERNAL: External '
            "environment endpoint must be set.",
        ),
        (
            ["--environment_type=PROCESS", '--environment_config={"command": "work"}'],
            "--environment_type=PROCESS is not for --job_endpoint=embed: start a worker pool, ",
        ),
        ([], "workers are to run in Docker, which is not installed here: "),
    ],
    ids=["type", "json", "process", "docker"],
)
def test_workers_that_cannot_be(flags, message, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert refusal(*EMBEDDED, *flags).startswith(message)


def test_beam_s_own_image_lacks_this_program(server):
    flag = f"--job_endpoint={server}"
    found = refusal(flag)
    assert found.startswith("--runner=PortableRunner: nothing brings this program to the workers;")
    check(flag, "--setup_file=./setup.py")
    check(flag, "--environment_type=DOCKER", "--environment_config=here/worker:1")
    check(flag, "--environment_option=docker_container_image=here/worker:1")


# Runners that are not for this


@pytest.mark.parametrize(
    "name", ["apache_beam.runners.dask.dask_runner.DaskRunner", "interactive", "KafkaStreamsRunner"]
)
def test_runners_that_are_not_taken_are_told_so(name, classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--runner={name}")
    assert found.error.startswith(f"--runner={name}: ")
    assert "; choose DataflowRunner, FlinkRunner, " in found.error


def test_a_command_ends_before_it_has_written(classify, free, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    flags = ("--runner=PortableRunner", "--environment_type=LOOPBACK", f"--job_endpoint={free}")
    found = classify(f"--input={tmp_path}/a.txt", *flags)
    assert f"--job_endpoint={free}: nobody answers" in found.error
    assert not list(tmp_path.rglob("out/*"))
