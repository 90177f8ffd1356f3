import pytest

from pipelines import classify as classify_command
from pipelines import embed as embed_command
from pipelines.dataflow.accelerators import MACHINES, Accelerator, pool_flags
from pipelines.flags.beam_flags import beam_options
from tests.pipelines.dataflow.templates import IMAGE, Template


@pytest.fixture
def template(tmp_path, gcs_bucket) -> Template:
    return Template(tmp_path, gcs_bucket)


def experiments(template: Template) -> list[str]:
    return [each for each in template.environment["experiments"] if "sdk_containers" in each]


@pytest.mark.parametrize(
    "main", [classify_command.main, embed_command.main], ids=lambda m: m.__module__
)
def test_a_gpu_is_all_that_one_says(template, main):
    template.run("--preset=sentiment_tiny_en", "--accelerator=nvidia-l4:1", IMAGE, main=main)
    assert template.environment["serviceOptions"] == [
        "worker_accelerator=type:nvidia-l4;count:1;install-nvidia-driver:5xx"
    ]
    pool = template.pool
    assert pool["machineType"] == "g2-standard-4"
    assert pool["diskSizeGb"] == 50
    assert pool["numThreadsPerWorker"] == 4
    assert pool["workerHarnessContainerImage"] == IMAGE.partition("=")[2]
    assert experiments(template) == ["no_use_multiple_sdk_containers"]


def test_no_step_asks_for_a_gpu_of_its_own(template):
    template.run("--accelerator=nvidia-l4", IMAGE)
    components = template.pipeline().components
    assert components.environments
    assert not any(each.resource_hints for each in components.environments.values())


@pytest.mark.parametrize(("kind", "machines"), MACHINES.items(), ids=MACHINES)
def test_every_type_comes_with_a_machine(kind, machines):
    flags = pool_flags(Accelerator.parse(f"{kind}:1"), beam_options([IMAGE]))
    assert f"--machine_type={machines.default}" in flags
    assert f"--number_of_worker_harness_threads={machines.threads}" in flags
    assert any(f"=type:{kind};count:1;" in flag for flag in flags)
    # What is chosen is among what may be given.
    given = beam_options([IMAGE, f"--machine_type={machines.default}"])
    assert len(pool_flags(Accelerator(kind), given)) == len(flags) - 1


@pytest.mark.parametrize(
    ("flag", "read", "value"),
    [
        ("--machine_type=g2-standard-8", lambda t: t.pool["machineType"], "g2-standard-8"),
        (
            "--worker_machine_type=g2-custom-8-65536",
            lambda t: t.pool["machineType"],
            "g2-custom-8-65536",
        ),
        ("--disk_size_gb=200", lambda t: t.pool["diskSizeGb"], 200),
        ("--number_of_worker_harness_threads=2", lambda t: t.pool["numThreadsPerWorker"], 2),
        (
            "--experiments=use_multiple_sdk_containers,upload_graph",
            experiments,
            ["use_multiple_sdk_containers"],
        ),
        (
            "--dataflow_service_options=enable_google_cloud_heap_sampling",
            lambda t: len(t.environment["serviceOptions"]),
            2,
        ),
    ],
    ids=lambda value: value.partition("=")[0].lstrip("-") if isinstance(value, str) else "",
)
def test_options_of_beam_come_before_what_is_chosen(template, flag, read, value):
    template.run("--accelerator=nvidia-l4:1", IMAGE, flag)
    assert read(template) == value


def test_without_a_gpu_nothing_is_chosen(template):
    template.run(IMAGE)
    assert not {"machineType", "diskSizeGb", "numThreadsPerWorker"} & template.pool.keys()
    assert "serviceOptions" not in template.environment


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--accelerator=nvidia-l5"],
            "did you mean 'nvidia-l4'? the types are nvidia-l4, nvidia-t",
        ),
        (["--accelerator=nvidia-l4:2"], "it computes on one GPU; more of them are more machines"),
        (["--accelerator=nvidia-l4:x"], "must be nvidia-l4 or nvidia-l4:1, not 'nvidia-l4:x'"),
        (["--accelerator=nvidia-l4"], "build one with deploy/, and give it as --sdk_container_im"),
        (
            ["--accelerator=nvidia-l4", IMAGE, "--machine_type=n1-standard-8"],
            "--machine_type=n1-standard-8 is not sold with one nvidia-l4: leave it out for g2-st",
        ),
        (
            ["--accelerator=nvidia-l4", IMAGE, "--machine_type=g2-standard-24"],
            "is not sold with one nvidia-l4",
        ),
        (
            [
                "--accelerator=nvidia-l4",
                IMAGE,
                "--dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1",
            ],
            "--dataflow_service_options=worker_accelerator=… ask for the same: give one of them",
        ),
        (
            ["--accelerator=nvidia-l4", IMAGE, "--resource_hint=min_ram=30GB"],
            "--resource_hint=min_ram=30GB exclude each other",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_go_together_is_refused(template, flags, message):
    assert message in template.run(*flags).error
    assert not template.file.exists()


def test_runners_of_other_machines_have_gpus_of_their_own(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for runner in ([], ["--runner=PortableRunner"]):
        found = classify(f"--input={tmp_path}/a.txt", "--accelerator=nvidia-l4", *runner)
        assert found.error.startswith("--accelerator is for --runner=DataflowRunner; other runners")
