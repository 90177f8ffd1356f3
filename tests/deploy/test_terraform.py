"""The Terraform files: their rights, read; their variables and the launch, evaluated."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from deploy.make_metadata import metadata
from tests.deploy.documents import block_with
from tests.deploy.files import DEPLOY

FOLDER = DEPLOY / "terraform"
GIVEN = {
    "project": "my-project",
    "region": "us-central1",
    "bucket": "my-bucket",
    "template": "gs://my-bucket/templates/classify-1.json",
    "parameters": {"input": "gs://my-bucket/in/*.jsonl", "output": "gs://my-bucket/labels"},
}

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="needs terraform")


def plain(value: Any) -> Any:
    """What the parser has read, without its marks and quotes."""
    if isinstance(value, dict):
        return {plain(name): plain(each) for name, each in value.items() if "__" not in name}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


def parsed() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path in sorted(FOLDER.glob("*.tf")):
        for kind, blocks in plain(hcl2.loads(path.read_text())).items():
            found.setdefault(kind, []).extend(blocks)
    return found


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of a kind, by name."""
    return {
        name: fields
        for block in parsed()["resource"]
        if kind in block
        for name, fields in block[kind].items()
    }


def test_rights_are_these_and_no_others():
    granted = {
        (re.search(r"google_service_account\.(\w+)\.", fields["member"])[1], kind, fields["role"])
        for kind in ("project", "storage_bucket", "artifact_registry_repository", "service_account")
        for fields in resources(f"google_{kind}_iam_member").values()
    }
    assert granted == {
        ("worker", "project", "roles/dataflow.worker"),
        ("worker", "artifact_registry_repository", "roles/artifactregistry.reader"),
        ("worker", "storage_bucket", "roles/storage.objectAdmin"),
        ("worker", "storage_bucket", "roles/storage.objectViewer"),
        ("worker", "storage_bucket", "roles/storage.legacyBucketReader"),
        ("builder", "project", "roles/logging.logWriter"),
        ("builder", "artifact_registry_repository", "roles/artifactregistry.writer"),
        ("builder", "storage_bucket", "roles/storage.objectUser"),
        ("scheduler", "project", "roles/dataflow.developer"),
        ("scheduler", "storage_bucket", "roles/storage.objectViewer"),
        ("scheduler", "service_account", "roles/iam.serviceAccountUser"),
    }
    # Nothing that replaces the rights of others, and no key that could be lost.
    kinds = {kind for block in parsed()["resource"] for kind in block}
    assert not {kind for kind in kinds if kind.endswith(("_iam_policy", "_iam_binding", "_key"))}


def test_workers_write_to_the_bucket_that_is_made_and_only_read_others():
    for name, fields in resources("google_storage_bucket_iam_member").items():
        if fields["bucket"] == "${each.value}":
            assert fields["role"] in (
                "roles/storage.objectViewer",
                "roles/storage.legacyBucketReader",
            )
        else:
            assert fields["bucket"] == "${google_storage_bucket.textbeam.name}", name


def test_the_bucket_is_not_public_and_forgets_what_is_temporary_alone():
    (bucket,) = resources("google_storage_bucket").values()
    assert bucket["public_access_prevention"] == "enforced"
    assert str(bucket["uniform_bucket_level_access"]).lower() == "true"  # by the parser's version
    deleted = [
        rule["condition"][0]["matches_prefix"]
        for rule in bucket["lifecycle_rule"]
        if rule["action"][0]["type"] == "Delete"
    ]
    assert deleted == [["staging/", "source/", "tmp/template_launches/"]]


def test_the_schedule_asks_dataflow_with_a_token_of_its_own_account():
    (job,) = resources("google_cloud_scheduler_job").values()
    (target,) = job["http_target"]
    assert target["uri"].startswith("https://dataflow.googleapis.com/v1b3/projects/")
    assert target["uri"].endswith("/flexTemplates:launch")
    (token,) = target["oauth_token"]
    assert token["service_account_email"] == "${google_service_account.scheduler.email}"
    assert job["retry_config"][0]["retry_count"] == 0


def test_the_build_that_it_prints_gives_what_the_build_has_no_default_for():
    (build,) = (block["build"] for block in parsed()["output"] if "build" in block)
    given = re.search(r"--substitutions=(\S+)", build["value"])[1]
    defaults = yaml.safe_load((DEPLOY / "cloudbuild.yaml").read_text())["substitutions"]
    needed = [name for name, value in defaults.items() if not value and name != "_PRESET"]
    assert [pair.partition("=")[0] for pair in given.split(",")] == needed


def test_versions_are_pinned():
    (terraform,) = parsed()["terraform"]
    (provider,) = terraform["required_providers"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", provider["google"]["version"])
    assert "<" in terraform["required_version"]


def test_every_variable_and_output_says_what_it_is_for():
    for kind in ("variable", "output"):
        for block in parsed()[kind]:
            for name, fields in block.items():
                assert fields["description"], name


def terraform(place: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["terraform", f"-chdir={place}", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def evaluate(tmp_path):
    """Evaluates the files that need no provider; returns the launch, or what is wrong."""
    for name in ("variables.tf", "request.tf"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "look.tf").write_text('output "launch" {\n  value = local.launch\n}\n')

    def evaluate_with(**values: Any) -> dict[str, Any] | str:
        (tmp_path / "terraform.tfvars.json").write_text(json.dumps(values))
        flags = ("-input=false", "-no-color")
        for arguments in (("init", *flags), ("apply", "-auto-approve", *flags)):
            done = terraform(tmp_path, *arguments)
            if done.returncode != 0:
                return done.stderr
        return json.loads(terraform(tmp_path, "output", "-json", "launch").stdout)

    return evaluate_with


@needs_terraform
def test_the_files_are_formatted():
    done = terraform(FOLDER, "fmt", "-check", "-diff")
    assert (done.returncode, done.stdout) == (0, "")


@needs_terraform
def test_the_launch_is_an_update_that_the_template_takes(evaluate):
    parameters = GIVEN["parameters"] | {"probabilities": "true", "if_exists": "overwrite"}
    found = evaluate(**GIVEN | {"parameters": parameters, "max_workers": 8})["launchParameter"]
    assert found["parameters"] == parameters | {"if_exists": "update"}
    assert found["containerSpecGcsPath"] == GIVEN["template"]
    assert found["environment"] == {
        "serviceAccountEmail": "textbeam-worker@my-project.iam.gserviceaccount.com",
        "tempLocation": "gs://my-bucket/tmp",
        "stagingLocation": "gs://my-bucket/staging",
        "maxWorkers": 8,
    }
    known = {each["name"]: each for each in metadata("classify")["parameters"]}
    for name, value in found["parameters"].items():
        assert all(re.search(pattern, value) for pattern in known[name].get("regexes", [])), name


@needs_terraform
def test_the_schedule_of_the_page_is_taken(evaluate, tmp_path):
    (tmp_path / "page.auto.tfvars").write_text(block_with("template   ="))
    given = {name: GIVEN[name] for name in ("project", "region", "bucket")}
    found = evaluate(**given)["launchParameter"]
    assert found["parameters"]["text_column"] == "body"
    assert found["environment"]["maxWorkers"] == 4


@needs_terraform
def test_machines_without_public_addresses_are_in_a_subnetwork(evaluate):
    subnetwork = "regions/us-central1/subnetworks/private"
    found = evaluate(**GIVEN, subnetwork=subnetwork)["launchParameter"]["environment"]
    assert (found["subnetwork"], found["ipConfiguration"]) == (subnetwork, "WORKER_IP_PRIVATE")


@needs_terraform
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"project": "My Project"}, "project is an id of 6 to 30 small letters"),
        ({"region": "us-central1-a"}, "region is the name of a region, such as us-central1"),
        ({"bucket": "gs://my-bucket"}, "bucket is a name of 3 to 63 small letters"),
        ({"temporary_days": 1}, "temporary_days is a whole number of at least 7 days"),
        ({"input_buckets": ["gs://other"]}, "input_buckets are names, without gs://"),
        ({"template": "classify.json"}, "template is a file of a build"),
        ({"parameters": {"input": "gs://b/a"}}, "parameters has input and output, both gs://"),
        ({"schedule": "hourly"}, "schedule has five fields"),
        ({"job_name": "Labels"}, "job_name has up to 63 small letters"),
        ({"max_workers": 0}, "max_workers is a whole number of at least 1"),
        ({"subnetwork": "default"}, "subnetwork is regions/REGION/subnetworks/NAME"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_variable_that_cannot_be_right_is_refused(evaluate, value, message):
    assert message in re.sub(r"[\s│]+", " ", evaluate(**GIVEN | value))
