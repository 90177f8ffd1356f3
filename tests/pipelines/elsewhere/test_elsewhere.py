"""The commands with their workers in another environment, by any way that can be had here."""

import contextlib
import io
import os
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import verify as verify_command
from tests.pipelines.command_runs import run_process
from tests.pipelines.dataflow.stub import DataflowStub
from tests.pipelines.elsewhere.conftest import FILES, ROWS
from tests.pipelines.elsewhere.workers import Workers, kill
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest

pytestmark = pytest.mark.slow

WORKERS = f"--runner={Workers.__module__}.Workers"


@contextlib.contextmanager
def workers(kind, site, bucket):
    """Yields the flags by which workers of a kind are had."""
    if kind.isdigit():
        yield [WORKERS, f"--direct_num_workers={kind}"]
    elif kind == "pool":
        with site.pool() as address:
            yield [
                *("--runner=PortableRunner", "--job_endpoint=embed"),
                *("--environment_type=EXTERNAL", f"--environment_config={address}"),
            ]
    else:
        with DataflowStub(site.environment) as stub:
            yield stub.flags(bucket)


def rows_in(output):
    """The rows that a reader of all visible parts sees, by where they are from."""
    folder = open_folder(output)
    names = [name for name in folder.files() if name.startswith("part-")]
    parts = [pq.read_table(pa.BufferReader(folder.read(name))) for name in names]
    rows = [row for part in parts for row in part.to_pylist()]
    found = {(row["source"], row["position"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def check_equal(output, command, tolerance=1e-6):
    """Checks that a result is whole, and has the rows of a run on this machine."""
    found, expected = rows_in(output), rows_in(command.expected)
    assert len(expected) == FILES * ROWS
    assert found.keys() == expected.keys()
    number = command.number
    for place, row in expected.items():
        np.testing.assert_allclose(found[place].pop(number), row.pop(number), 0, tolerance)
        assert found[place] == row
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert verify_command.main([output]) == 0, said.getvalue()
    assert open_folder(output).run_ids() == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("classify", "1"),
        ("embed", "2"),
        *((name, kind) for kind in ("4", "pool", "dataflow") for name in ("classify", "embed")),
    ],
)
def test_workers_elsewhere_give_what_this_process_gives(name, kind, workers_site, commands, output):
    with workers(kind, workers_site, output) as flags:
        found = commands[name].run(f"{output}/out", *flags)
    assert found.code == 0, found.err
    assert Workers.failures == 0
    check_equal(f"{output}/out", commands[name])


def test_workers_have_the_backend_that_is_asked_for(workers_site, commands, output, tmp_path):
    """As a user runs it: the command is the main program of a process."""
    pytest.importorskip("jax")
    embed = commands["embed"]
    flags = (*embed.flags, f"--output={output}/out", WORKERS, "--backend=jax")
    found = run_process("embed", tmp_path, *flags, **os.environ)
    assert found.code == 0, found.err
    assert read_manifest(f"{output}/out")["model"]["backend"] == "jax"
    check_equal(f"{output}/out", embed, tolerance=1e-5)


def wait_for_record(output, seconds=300):
    """Returns how many records there are, once there is one."""
    folder = open_folder(output)
    deadline = time.monotonic() + seconds
    while True:
        for run_id in folder.run_ids():
            if records := folder.files(f"_runs/{run_id}/records"):
                return len(records)
        assert time.monotonic() < deadline, "no unit was done"


@contextlib.contextmanager
def one_killed(site, output, proxy):
    """Kills a worker when a unit is done; yields a list of how many were done by then."""
    done = []
    plain, allowed = proxy.fault, [0.0]

    def hesitant(method, path):
        """Lets a creation pass each second, as those of records are: not all are there at once."""
        if method == "POST" and "ifGenerationMatch=0" in path:
            if time.monotonic() < allowed[0]:
                return 503
            allowed[0] = time.monotonic() + 1
        return plain(method, path)

    def kill_one():
        site.wait_for_worker()
        proxy.fault = hesitant
        done.append(wait_for_record(output))
        kill(site.wait_for_worker())
        proxy.fault = plain

    thread = threading.Thread(target=kill_one)
    thread.start()
    yield done
    thread.join()


# Threads of Beam fail one after another when a worker dies.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", ["2", "pool", "dataflow"])
def test_a_worker_that_is_killed_costs_no_row(kind, workers_site, commands, output, gcs_proxy):
    embed = commands["embed"]
    with workers(kind, workers_site, output) as flags:
        with one_killed(workers_site, f"{output}/out", gcs_proxy) as done:
            found = embed.run(f"{output}/out", *flags)
        assert 1 <= done[0] < FILES
        if kind == "2":  # whose runner tries again
            assert Workers.failures == 1
        else:
            assert found.code == 1
            assert found.err.splitlines()[-1].startswith("error: ")
            assert "of the work is kept: go on with --if_exists=update" in found.err
            found = embed.run(f"{output}/out", "--if_exists=update", *flags)
    assert found.code == 0, found.err
    check_equal(f"{output}/out", embed)


def test_a_preset_that_changes_ends_the_run(workers_site, commands, output, preset_files):
    preset = open_folder(f"{output}/preset")
    for name, content in preset_files.items():
        preset.write_whole(name, content)

    def change():
        workers_site.wait_for_worker()
        preset.write_whole("config.json", preset_files["config.json"] + b"\n")
        held.close()

    with contextlib.ExitStack() as held, DataflowStub(workers_site.environment) as stub:
        thread = threading.Thread(target=change)
        held.enter_context(workers_site.held())
        thread.start()
        found = commands["embed"].run(
            f"{output}/out", f"--preset={output}/preset", *stub.flags(output)
        )
        thread.join()
    assert found.code == 1
    line = found.err.splitlines()[-1]
    changed = f"preset '{output}/preset' has changed since the run was planned"
    assert line.startswith(f"error: job {stub.last.id} failed: {changed}")
