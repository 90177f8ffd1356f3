"""What docs/dataflow.md tells to do, done before an emulator."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.deploy.documents import TEXT, run_here
from tests.deploy.files import ROOT
from tests.deploy.jobs import run_as_the_service_does
from tests.pipelines.command_runs import ENVIRONMENT
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest


@pytest.mark.slow
def test_the_commands_of_the_page_do_what_it_says(gcs_bucket, tmp_path):
    folder = open_folder(gcs_bucket)
    folder.write_whole("in/a.jsonl", b'{"body": "A fine day."}\n{"body": "A bad one."}\n')
    job = f"{gcs_bucket}/job_object"
    commands = run_here()
    for command in commands:
        words = shlex.split(command.replace("gs://my-bucket", gcs_bucket))
        assert words[:2] == ["python", "-m"]
        words = [word.replace("=trial/", f"={tmp_path}/trial") for word in words]
        is_job = "--runner=DataflowRunner" in words
        if is_job:  # what would be sent is written instead
            words += [f"--template_location={job}", "--dataflow_endpoint=http://localhost:1"]
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=ROOT,
            env={**ENVIRONMENT, **os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)
        if is_job:
            assert run_as_the_service_does(job) == "DONE"
    assert len(commands) == 5
    assert (tmp_path / "trial" / "_MANIFEST.json").is_file()
    manifest = read_manifest(f"{gcs_bucket}/labels")
    assert manifest is not None
    assert (manifest["rows"]["written"], len(manifest["runs"])) == (2, 1)


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, part = link.partition("#")
        page = (ROOT / "docs" / path).resolve() if path else ROOT / "docs" / "dataflow.md"
        assert page.exists(), link
        if part:
            titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert part in slugs, link
