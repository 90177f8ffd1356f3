import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.pipelines.command_runs import Run
from tests.pipelines.dataflow.templates import IMAGE, Template, names_in, write
from tests.servers import LoopbackServer


@pytest.fixture
def template(tmp_path, gcs_bucket) -> Template:
    return Template(tmp_path, gcs_bucket)


def mistakes(found: Run) -> list[str]:
    """The lines on standard error of a command that refused to work."""
    assert (found.code, found.out) == (2, ""), (found.code, found.err)
    lines = found.err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    # Neither Python's nor the protocol's words.
    assert not any(sign in found.err for sign in ("{'", "http://", "Traceback", "Error("))
    return [line.removeprefix("error: ") for line in lines]


BAD_FLAGS = {
    "--project=": "--project is missing: the id of the Google Cloud project that pays",
    "--project=123456": "--project=123456 is not the id of a project",
    "--project=My Project": "--project=My Project is not the id of a project",
    "--region=": "--region is missing: where the job is to run, such as us-central1",
    "--region=us-central1-b": "--region=us-central1-b is a zone: give its region, us-central1",
    "--region=mars": "--region=mars is no region, as us-central1 is",
    "--job_name=Tiny_1": "--job_name=Tiny_1 may have lower-case letters, digits and hyphens only",
    "--input=a.txt": "--input=a.txt is on this machine only, and Dataflow's workers are on others",
    "--output=out/": "--output=out/ is on this machine only, and Dataflow's workers are on others",
    "--setup_file=none/setup.py": "--setup_file=none/setup.py: no such file",
    "--extra_package=none.tar.gz": "--extra_package=none.tar.gz: no such file",
    "--update": "--update is for jobs without an end: leave it out; --if_exists=update brings",
    "--streaming": "--streaming is for jobs without an end: leave it out",
    "--template_location=none/job": "--template_location=none/job is not a file that can be",
    "--template_location=tests": "--template_location=tests is not a file that can be written",
    "--template_location=s3://b/job": "--template_location=s3://b/job is not a file that can be",
    "--preset=sentiment_tiny": "preset 'sentiment_tiny' is not a folder, a URI or a known name",
}


@pytest.mark.parametrize("flag", BAD_FLAGS)
def test_what_flags_tell_by_themselves_is_answered_without_a_request(
    template, gcs_proxy, monkeypatch, flag
):
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    before = gcs_proxy.requests
    image = () if flag.startswith("--setup_file") else (IMAGE,)
    found = mistakes(template.run(flag, *image, f"--temp_location={template.bucket}/tmp"))
    assert len(found) == 1
    assert found[0].startswith(BAD_FLAGS[flag])
    assert gcs_proxy.requests == before


def test_every_mistake_has_a_line_of_its_own(template):
    found = mistakes(template.run("--region=mars", "--job_name=Tiny", "--temp_location=tmp"))
    assert [line.split("=")[0].split(":")[0] for line in found] == [
        "--region",
        "--job_name",
        "nothing brings this program to the workers",
    ]


def test_folders_of_this_machine_are_for_a_service_on_it(template, tmp_path):
    local = f"--temp_location={tmp_path}"
    template.run(IMAGE, local)
    assert template.options["temp_location"].startswith(str(tmp_path))
    for location in (local, "--temp_location=gs://textbeam-test", "--temp_location=s3://a/b"):
        found = template.run(IMAGE, location, "--dataflow_endpoint=https://dataflow.googleapis.com")
        assert mistakes(found) == [f"{location} is not a folder in a bucket: give gs://BUCKET/…"]


@pytest.mark.parametrize("flag", ["temp_location", "staging_location"])
@pytest.mark.parametrize("place", ["", "/", "/_runs", "/tmp"])
def test_files_of_a_job_are_kept_out_of_the_result(template, gcs_proxy, flag, place):
    output = f"{template.bucket}/out"
    before = gcs_proxy.requests
    given = f"--{flag}={output}{place}"
    found = mistakes(template.run(IMAGE, given, f"--output={output}/"))
    assert found == [
        f"{given} is in --output={output}/: give a folder beside it, since a result holds nothing "
        "else"
    ]
    assert gcs_proxy.requests == before


def test_a_folder_is_beside_another_whose_name_begins_its_own(template):
    output = f"{template.bucket}/out"
    temporary = f"--temp_location={output}-tmp"
    assert template.run(IMAGE, temporary, f"--output={output}").code == 0


def test_a_template_is_written_where_a_bucket_is(template):
    where = "--template_location=gs://textbeam-none/job"
    (line,) = mistakes(template.run(IMAGE, where))
    assert line.startswith(f"{where}: there is no bucket 'textbeam-none': correct its name")


def test_a_program_is_told_where_a_template_was_written(template):
    found = template.run(IMAGE, f"--output={template.bucket}/out", "--json")
    said = json.loads(found.out)
    assert said.pop("run_id") in template.options["textbeam_run"]
    assert said == {
        "status": "written", "output": f"{template.bucket}/out", "template": str(template.file),
    }  # fmt: skip


def test_a_bucket_that_is_not_there_is_asked_for_once(template, gcs_proxy):
    asked = []
    plain = gcs_proxy.fault
    gcs_proxy.fault = lambda method, path: asked.append((method, path))
    try:
        found = template.run(
            IMAGE,
            "--temp_location=gs://textbeam-none/tmp",
            "--staging_location=gs://textbeam-none-2/staging",
            "--output=gs://textbeam-none-3/out",
            "--preset=gs://textbeam-none-4/preset",
        )
    finally:
        gcs_proxy.fault = plain
    for number, line in enumerate(mistakes(found)):
        bucket = f"textbeam-none-{number + 1}" if number else "textbeam-none"
        assert line.endswith(
            f": there is no bucket '{bucket}': correct its name, or make it with gcloud storage "
            f"buckets create gs://{bucket}"
        )
    assert len(mistakes(found)) == 4
    assert len(asked) == len(set(asked))


def test_a_bucket_may_be_read_and_not_written_to(template, gcs_proxy):
    plain = gcs_proxy.fault
    gcs_proxy.fault = lambda method, path: 403 if method == "POST" else None
    try:
        found = template.run(IMAGE, f"--temp_location={template.bucket}/tmp")
    finally:
        gcs_proxy.fault = plain
    (line,) = mistakes(found)
    assert line.startswith(
        f"--temp_location={template.bucket}/tmp: Cloud Storage denies access to the bucket "
        "'textbeam-test' (injected): run gcloud auth application-default login"
    )


def test_a_store_that_fails_is_asked_a_few_times(template, gcs_proxy, monkeypatch):
    # Waits are drawn between nothing and their longest: short ones, and it is asked more often.
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    asked = []
    plain = gcs_proxy.fault
    gcs_proxy.fault = lambda method, path: asked.append(method) or 503
    try:
        found = template.run(IMAGE, f"--temp_location={template.bucket}/tmp")
    finally:
        gcs_proxy.fault = plain
    assert [line.partition(": ")[2] for line in mistakes(found)] == [
        "Cloud Storage does not answer for the bucket 'textbeam-test' (injected): look at the "
        "network, and try again"
    ] * 2
    assert 2 <= len(asked) <= 12  # for temporary files and for the output


@pytest.fixture
def silence() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"localhost:{server.getsockname()[1]}", taken
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


def test_nobody_waits_for_a_network_that_hangs(template, silence, monkeypatch):
    host, taken = silence
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}")
    preset = f"{template.bucket}/preset"
    found = template.run(
        IMAGE, f"--dataflow_endpoint=http://{host}", f"--preset={preset}", "--template_location="
    )
    lines = mistakes(found)
    assert [line.partition("=")[0].split(" (")[0] for line in lines] == [
        "Dataflow does not answer",
        "--temp_location",
        "--output",
        "--preset",
    ]
    assert all("look at the network" in line for line in lines)
    assert len(taken) <= 3 * len(lines)


def test_a_preset_in_a_bucket_must_be_there(template):
    found = mistakes(template.run(IMAGE, f"--preset={template.bucket}/none"))
    assert found == [f"--preset={template.bucket}/none: no such folder, or an empty one"]


def test_without_a_login_one_line_says_how_to_log_in(template, tmp_path, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    assert mistakes(template.run(IMAGE)) == [
        "no credentials of Google's are found: run gcloud auth application-default login, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to a file with credentials"
    ]


def test_nothing_is_left_of_what_was_tried(template):
    template.run(IMAGE, f"--temp_location={template.bucket}/tmp")
    assert template.options["temp_location"].startswith(f"{template.bucket}/tmp/")
    assert not any("probe" in name for name in names_in(template.bucket))


def test_files_of_a_job_are_put_beside_its_output_if_no_other_place_is_given(template):
    template.run(IMAGE)
    assert template.options["temp_location"].startswith("gs://textbeam-test/textbeam-tmp/")
    template.run(IMAGE, f"--staging_location={template.bucket}/staging")
    for location in ("temp_location", "staging_location"):
        assert template.options[location].startswith(f"{template.bucket}/staging/")


def test_a_region_may_come_from_the_environment(template, monkeypatch):
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "europe-west4")
    template.run(IMAGE, "--region=")
    assert template.options["region"] == "europe-west4"


class Service:
    """What stands for Dataflow, and answers everything with one status and message."""

    def __init__(self, status: int, message: str = "") -> None:
        self.paths: list[str] = []
        service = self
        error = {"error": {"code": status, "message": message}}
        content = json.dumps({} if status == 200 else error).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.paths.append(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = LoopbackServer(Handler, host="localhost")
        self.flag = f"--dataflow_endpoint={self.server.url}"

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()


ANSWERS = {
    (404, "location mars1"): (
        "Dataflow knows no --project=p-roject in --region=us-central1 (location mars1)"
    ),
    (403, "Dataflow API has not been used in project 1 before or it is disabled."): (
        "--project=p-roject has not enabled Dataflow: gcloud services enable "
        "dataflow.googleapis.com --project=p-roject"
    ),
    (403, "The caller does not have permission"): (
        "--project=p-roject: there is none, or this account may not run jobs in it: it needs "
        "roles/dataflow.developer"
    ),
    (503, "overloaded"): "Dataflow does not answer (overloaded): look at the network",
}


@pytest.mark.parametrize(("answer", "line"), ANSWERS.items(), ids=lambda each: str(each)[:25])
def test_dataflow_says_whether_it_knows_the_project(template, answer, line):
    with Service(*answer) as service:
        found = mistakes(template.run(IMAGE, service.flag, "--template_location="))
    assert found == [line]
    (path,) = service.paths
    assert path.startswith("/v1b3/projects/p-roject/locations/us-central1/jobs?")


def test_the_output_is_looked_at_before_anything_is_staged(template):
    output = f"{template.bucket}/out"
    write(f"{output}/part-00000-of-00001.parquet", b"not this program's")
    found = template.run(IMAGE, f"--output={output}")
    assert "holds 1 part files and no _MANIFEST.json" in mistakes(found)[0]
    assert not Path(template.file).exists()
    assert not any("pipeline.pb" in name for name in names_in(template.bucket))
