"""Jobs as they would be submitted to Dataflow: written to a file, with no service to ask."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.portability.api import beam_runner_api_pb2

from models.hubs.remote import RemoteUri
from pipelines import classify
from tests.pipelines.command_runs import Run, run

IMAGE = "--sdk_container_image=us-docker.pkg.dev/p/r/i:1"


class Template:
    """A command that would submit a job.

    Args:
        folder: A local folder for what is written.
        bucket: A `gs://` folder with the input, which is to be below a bucket that is there.
    """

    def __init__(self, folder: Path, bucket: str) -> None:
        self.file = folder / "job.json"
        self.bucket = bucket
        write(f"{bucket}/a.txt", b"a fine day\na dull day\n")

    def run(self, *flags: str, main: Any = classify.main) -> Run:
        given = [
            f"--input={self.bucket}/a.txt",
            f"--output={self.bucket}/{uuid.uuid4().hex}",
            *("--runner=DataflowRunner", "--project=p-roject", "--region=us-central1"),
            *("--no_auth", "--dataflow_endpoint=http://localhost:1"),
            f"--template_location={self.file}",
        ]
        names = {flag.partition("=")[0] for flag in flags}
        kept = [flag for flag in given if flag.partition("=")[0] not in names]
        return run(main, Path(), *kept, *flags)

    @property
    def job(self) -> dict[str, Any]:
        return json.loads(self.file.read_bytes())

    @property
    def environment(self) -> dict[str, Any]:
        return self.job["environment"]

    @property
    def pool(self) -> dict[str, Any]:
        (pool,) = self.environment["workerPools"]
        return pool

    @property
    def options(self) -> dict[str, Any]:
        return self.environment["sdkPipelineOptions"]["options"]

    def pipeline(self) -> beam_runner_api_pb2.Pipeline:
        with FileSystems.open(self.options["pipelineUrl"]) as file:
            return beam_runner_api_pb2.Pipeline.FromString(file.read())

    def staged(self) -> dict[str, str]:
        """The packages that workers install, by their names there."""
        found = {}
        for environment in self.pipeline().components.environments.values():
            for each in environment.dependencies:
                role = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(
                    each.role_payload
                )
                url = beam_runner_api_pb2.ArtifactUrlPayload.FromString(each.type_payload).url
                found[role.staged_name] = url
        return found


def write(path: str, content: bytes) -> None:
    with FileSystems.create(path, mime_type="text/plain") as file:
        file.write(content)


def read(path: str) -> bytes:
    with FileSystems.open(path) as file:
        return file.read()


def names_in(folder: str) -> Sequence[str]:
    from models.hubs import buckets

    return sorted(buckets.list_blobs(RemoteUri.parse(folder)))
