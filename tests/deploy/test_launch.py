"""The Flex Templates, launched as in their images, and what becomes of the jobs."""

import json

import pytest
from apache_beam.runners.runner import PipelineState

from deploy import launch as launch_file
from deploy.launch import flags_of
from models.errors import UserError
from pipelines import classify, embed
from tests.deploy.jobs import job_at, run_as_the_service_does
from tests.deploy.launching import IMAGE, launch
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest

TEXTS = ["A fine day.", "A bad one.", "Neither."]


@pytest.fixture
def bucket(gcs_bucket):
    folder = open_folder(gcs_bucket)
    folder.write_whole("in/a.txt", "\n".join(TEXTS).encode())
    return gcs_bucket


def test_a_template_plans_at_its_launch_and_its_job_publishes_with_nobody_waiting(bucket, tmp_path):
    output = f"{bucket}/labels"
    found = launch(
        *("classify", bucket, tmp_path),
        input=f"{bucket}/in/*.txt",
        output=output,
        probabilities="true",
        if_exists="update",
    )
    assert (found.code, found.error_lines) == (0, [])
    assert f"wrote the job to {found.location}; {output} is reserved for it" in found.out
    assert job_at(found.location)["name"] == "labels-0500"
    images = job_at(found.location)["environment"]["workerPools"][0]["sdkHarnessContainerImages"]
    assert [image["containerImage"] for image in images] == [IMAGE]
    # Nobody has done anything yet, and nobody else may.
    assert read_manifest(output) is None
    again = launch("classify", bucket, tmp_path, input=f"{bucket}/in/*.txt", output=output)
    assert again.code == 2
    assert "is being written by another run" in again.error_lines[0]

    assert run_as_the_service_does(found.location) == PipelineState.DONE
    manifest = read_manifest(output)
    assert manifest is not None
    assert manifest["rows"]["written"] == len(TEXTS)
    assert "probabilities" in json.dumps(manifest["columns"])

    # The hour after there is nothing to do, and the launcher still wants a job.
    after = launch(
        *("classify", bucket, tmp_path),
        input=f"{bucket}/in/*.txt",
        output=output,
        probabilities="true",
        if_exists="update",
        num_workers="50",
        max_num_workers="100",
        worker_machine_type="n2-standard-96",
        template_location=f"{bucket}/staging/template_launches/2/job_object",
    )
    after.location = f"{bucket}/staging/template_launches/2/job_object"
    assert after.code == 0
    assert "is up to date: 3 rows of 1 input file" in after.out
    (pool,) = job_at(after.location)["environment"]["workerPools"]
    assert pool.get("numWorkers") is None
    assert pool.get("machineType") is None
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 1
    assert run_as_the_service_does(after.location) == PipelineState.DONE
    assert read_manifest(output) == manifest


@pytest.mark.slow
def test_embed_takes_several_paths_and_flags_that_are_off(bucket, tiny_preset, tmp_path):
    folder = open_folder(bucket)
    folder.write_whole("more of it/b.txt", b"One more.")
    for path in tiny_preset.rglob("*"):
        if path.is_file():
            name = path.relative_to(tiny_preset).as_posix()
            folder.write_whole(f"preset/{name}", path.read_bytes())
    output = f"{bucket}/vectors"
    found = launch(
        *("embed", bucket, tmp_path),
        input=f"{bucket}/in/*.txt {bucket}/more of it/",
        output=output,
        preset=f"{bucket}/preset",
        normalize="false",
        embedding_dtype="int8",
        new_flag_of_the_launcher="1",
    )
    assert (found.code, found.error_lines) == (0, [])
    assert "note: --new_flag_of_the_launcher=1 is no option of this version" in found.err
    assert run_as_the_service_does(found.location) == PipelineState.DONE
    manifest = read_manifest(output)
    assert manifest is not None
    assert manifest["rows"]["written"] == len(TEXTS) + 1
    assert manifest["model"]["embedding"]["normalize"] is False


def test_a_mistake_is_one_line_and_no_job(bucket, tmp_path):
    output = f"{bucket}/labels"
    found = launch("classify", bucket, tmp_path, input=f"{bucket}/nothing/*.txt", output=output)
    assert found.code == 2
    assert found.error_lines == [f"error: no file matches '{bucket}/nothing/*.txt'"]
    assert not found.is_written
    assert open_folder(output).files() == {}


@pytest.mark.parametrize(
    ("parameters", "flags"),
    [
        (["--probabilities=true"], ["--probabilities"]),
        (["--probabilities=False"], []),
        (["--input=gs://b/a.txt"], ["--input=gs://b/a.txt"]),
        (
            ["--input= gs://b/a b.txt\ts3://c/*.csv https://h/x "],
            ["--input=gs://b/a b.txt", "--input=s3://c/*.csv", "--input=https://h/x"],
        ),
        (["--columns=a,b c", "--region=r"], ["--columns=a,b c", "--region=r"]),
    ],
    ids=["on", "off", "one path", "several paths", "as it is"],
)
def test_parameters_become_flags(parameters, flags):
    assert flags_of(parameters, classify.make_parser()) == flags


@pytest.mark.parametrize(
    ("parameter", "flags"),
    [("--normalize=true", ["--normalize"]), ("--normalize=false", ["--no_normalize"])],
)
def test_what_is_off_is_said_where_the_preset_may_want_it_on(parameter, flags):
    assert flags_of([parameter], embed.make_parser()) == flags


@pytest.mark.parametrize("value", ["", "1", "perhaps"])
def test_a_switch_is_on_or_off(value):
    with pytest.raises(UserError, match=f"--probabilities={value} is neither true nor false"):
        flags_of([f"--probabilities={value}"], classify.make_parser())


def test_only_a_launcher_runs_the_file(monkeypatch):
    monkeypatch.setenv("TEXTBEAM_COMMAND", "classify")
    with pytest.raises(UserError, match="--template_location is missing"):
        launch_file.launch(["--input=gs://b/a.txt", "--output=gs://b/out"])
