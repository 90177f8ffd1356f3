"""What a process does that submits a job, from its start on."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.pipelines.command_runs import ROOT
from tests.pipelines.dataflow.templates import IMAGE, Template

RUN = """
import json, sys
from pipelines import {command}
{command}.main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump(sorted(sys.modules), file)
"""


@pytest.fixture
def template(tmp_path, gcs_bucket) -> Template:
    return Template(tmp_path, gcs_bucket)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "backend", "brings"),
    [
        ("classify", "tensorflow", "image"),
        ("embed", "jax", "image"),
        ("embed", "tensorflow", "setup_file"),
        ("classify", "jax", "setup_file"),
    ],
)
def test_a_submitter_starts_no_backend(template, tiny_preset, tmp_path, command, backend, brings):
    preset = tmp_path / "mine"
    shutil.copytree(tiny_preset, preset)
    flags = [
        *("--runner=DataflowRunner", "--project=p-roject", "--region=us-central1", "--no_auth"),
        *("--dataflow_endpoint=http://localhost:1", f"--template_location={template.file}"),
        f"--input={template.bucket}/a.txt",
        f"--output={template.bucket}/out",
        f"--temp_location={template.bucket}/tmp",
        f"--preset={preset}",
        f"--backend={backend}",
        IMAGE if brings == "image" else f"--setup_file={ROOT}/setup.py",
    ]
    modules = tmp_path / "modules.json"
    code = RUN.format(command=command)
    done = subprocess.run(
        [sys.executable, "-c", code, str(modules), *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # with the bucket of the test
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert template.file.exists(), done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(modules.read_text())}
    assert not loaded & {"tensorflow", "tensorflow_text", "jax", "jaxlib", "keras", "torch"}
    staged = template.staged()
    assert ("workflow.tar.gz" in staged) == (brings == "setup_file")
    is_brought = backend == "jax" and brings == "setup_file"
    assert ("requirements.txt" in staged) == is_brought
