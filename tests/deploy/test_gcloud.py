"""Google's command line with the templates; what it would send goes to a server on loopback."""

import json
import os
import re
import shlex
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from deploy.make_metadata import TEMPLATES, metadata, path_of
from tests.deploy.documents import block_with
from tests.servers import LoopbackServer

pytestmark = pytest.mark.skipif(
    shutil.which("gcloud") is None, reason="needs Google's command line"
)


@pytest.fixture
def gcloud(tmp_path):
    """Runs a command for a project, and returns what it printed as JSON."""
    token = tmp_path / "token"
    token.write_text("none")

    def run(*arguments: str, **environment: str) -> Any:
        done = subprocess.run(
            ["gcloud", *arguments, "--format=json"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "CLOUDSDK_CONFIG": str(tmp_path),
                "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
                "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
                **environment,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def dataflow():
    """A service that takes every launch."""
    launches: list[tuple[str, dict]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            launches.append((self.path.partition("?")[0], body))
            job = {"job": {"id": "2026-1", "name": body["launchParameter"]["jobName"]}}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(job).encode())

        def log_message(self, *_):
            pass

    with LoopbackServer(Service) as server:
        yield f"{server.url}/", launches


@pytest.mark.parametrize("command", TEMPLATES)
def test_a_template_is_built_with_all_that_its_file_says(gcloud, command):
    said = gcloud(
        *("dataflow", "flex-template", "build", "gs://b/t.json", "--print-only"),
        *("--image=us-docker.pkg.dev/p/r/i:1", "--sdk-language=PYTHON"),
        "--project=my-project",
        f"--metadata-file={path_of(command)}",
    )
    said = json.loads(said) if isinstance(said, str) else said
    assert said["metadata"]["parameters"] == metadata(command)["parameters"]


def test_a_launch_sends_the_parameters_as_they_were_given(gcloud, dataflow):
    endpoint, launches = dataflow
    command = shlex.split(block_with("gcloud dataflow flex-template run"))
    gcloud(*command[1:], CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAFLOW=endpoint)
    ((path, body),) = launches
    assert path == "/v1b3/projects/my-project/locations/us-central1/flexTemplates:launch"
    asked = body["launchParameter"]
    assert asked["containerSpecGcsPath"] == "gs://my-bucket/templates/classify-1.json"
    assert asked["parameters"] == {
        "input": "gs://my-bucket/in/*.jsonl gs://my-bucket/more/",
        "output": "gs://my-bucket/labels/",
        "text_column": "body",
        "probabilities": "true",
    }
    known = {each["name"]: each for each in metadata("classify")["parameters"]}
    for name, value in asked["parameters"].items():
        assert all(re.search(pattern, value) for pattern in known[name].get("regexes", [])), name
    assert asked["environment"]["maxWorkers"] == 4
