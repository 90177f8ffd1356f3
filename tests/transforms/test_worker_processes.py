import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from transforms.worker_processes import _hidden_processes, hidden_processes

ROOT = Path(__file__).parents[2]
CORES = os.cpu_count() or 1
ALONE = "no_use_multiple_sdk_containers"

OPTIONS = {
    "none": ({}, 1),
    "the local runner": ({"runner": "FnApiRunner", "direct_num_workers": 4}, 1),
    "Dataflow": ({"runner": "DataflowRunner"}, CORES),
    "Dataflow by its module": ({"runner": "apache_beam.runners.DataflowRunner"}, CORES),
    "Dataflow by its short name": ({"runner": "dataflow"}, CORES),
    "Dataflow, many": (
        {"runner": "DataflowRunner", "experiments": ["use_multiple_sdk_containers"]},
        CORES,
    ),
    "Dataflow, alone": ({"runner": "DataflowRunner", "experiments": ["shuffle", ALONE]}, 1),
    "Dataflow, no experiments": ({"runner": "DataflowRunner", "experiments": None}, CORES),
    "alone elsewhere": ({"runner": "PortableRunner", "experiments": [ALONE]}, 1),
    "a pool": ({"runner": "PortableRunner", "sdk_worker_parallelism": "6"}, 6),
    "a pool of one": ({"runner": "FlinkRunner", "sdk_worker_parallelism": 1}, 1),
    "as the runner chooses": ({"runner": "FlinkRunner", "sdk_worker_parallelism": 0}, CORES),
    "not said": ({"runner": "FlinkRunner", "sdk_worker_parallelism": None}, 1),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_tell_of_processes_in_containers_of_their_own(name):
    options, expected = OPTIONS[name]
    assert _hidden_processes(options) == expected


def test_a_process_that_no_runner_started_is_the_only_one():
    assert hidden_processes() == 1


WORKER = """
import json, os, sys
os.cpu_count = lambda: 64
from apache_beam.runners.worker.sdk_worker_main import create_harness
create_harness({
    "PIPELINE_OPTIONS": sys.argv[1],
    "CONTROL_API_SERVICE_DESCRIPTOR": 'url: "localhost:1"',
}, dry_run=True)
from transforms.shared_preprocessor import SharedPreprocessor
SharedPreprocessor("sentiment_tiny_en").acquire()
from models.inference import cores
cores.usable = lambda: frozenset(range(64))
print(cores.own(), cores.now(), cores.CorePool("streams", 2).width())
"""


@pytest.mark.parametrize(("experiments", "expected"), [(None, 1), ([ALONE], 64)], ids=str)
@pytest.mark.parametrize("form", ["options", "urns"])
def test_a_worker_of_dataflow_takes_its_share_of_a_machine_of_64_cores(
    form, experiments, expected, tmp_path
):
    """The options come as Dataflow's services and a portable job service hand them to a worker."""
    options = {"runner": "DataflowRunner", "experiments": experiments}
    if form == "options":
        handed = {"options": options}
    else:
        handed = {f"beam:option:{name}:v1": value for name, value in options.items()}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps(handed)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [float(number) for number in done.stdout.split()]
    assert found == [expected, expected, 2 * expected], done.stderr


THREADS = """
import os
from models.inference import cores, runtime
os.cpu_count = lambda: 8
cores.usable = lambda: frozenset(range(8))
cores.divide(4)
runtime.start()
import keras
keras.ops.ones((500, 500)) @ keras.ops.ones((500, 500))
names = (open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task"))
print(sum(name.startswith("tf_XLAEigen") for name in names))
"""


@pytest.mark.skipif(
    not (find_spec("jax") and os.path.isdir("/proc/self/task")), reason="needs JAX and /proc"
)
def test_jax_starts_threads_for_the_cores_of_its_process():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment.pop("NPROC", None)
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2\n", done.stderr
