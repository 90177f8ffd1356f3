"""Jobs that a job server runs, as Flink's and Spark's do, when that is gone."""

import threading

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from transforms import read


@pytest.fixture
def pool():
    """A pool of workers in this process."""
    address, server = BeamFnExternalWorkerPoolServicer.start(use_process=False)
    yield address
    server.stop(0)


def flags(endpoint: str, pool: str) -> list[str]:
    return [
        "--runner=PortableRunner",
        f"--job_endpoint={endpoint}",
        "--environment_type=EXTERNAL",
        f"--environment_config={pool}",
        "--job_server_timeout=3",
    ]


def test_a_job_server_that_goes_away_leaves_the_job_and_its_files_alone(
    classify, pool, tmp_path, monkeypatch
):
    server = LocalJobServicer(str(tmp_path / "staging"))
    port = server.start_grpc_server(0)
    process, go_on = read._ReadUnit.process, threading.Event()

    def wait_at_the_first(self, unit):
        threading.Thread(target=server.stop, args=(0,)).start()
        go_on.wait(60)
        yield from process(self, unit)

    monkeypatch.setattr(read._ReadUnit, "process", wait_at_the_first)
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", *flags(f"localhost:{port}", pool))
    left = [path.name for path in found.folder.rglob("*.json")]
    go_on.set()
    assert (found.code, found.out) == (1, "")
    assert found.error_line == (
        f"the job server at localhost:{port} does not answer any more (UNAVAILABLE); the job may "
        "go on elsewhere, and its files stay: when it has ended, --if_exists=update goes on from "
        "them"
    )
    assert sorted(left) == ["lock-000001.json", "plan.json"]


def test_a_job_that_was_never_asked_for_leaves_nothing(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", *flags("localhost:1", "localhost:2"))
    assert found.code in (1, 2)
    assert "may go on" not in found.err
    assert not found.folder.exists()
