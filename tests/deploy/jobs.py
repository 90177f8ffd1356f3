"""Jobs that were written, run as the service would run them."""

import json
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

from transforms.writing.folder import open_folder


def read(path: str) -> bytes:
    """Returns the content of a file in a bucket."""
    folder, _, name = path.rpartition("/")
    content = open_folder(folder).read(name)
    assert content is not None, path
    return content


def job_at(location: str) -> dict[str, Any]:
    """Returns a job as the service reads it."""
    return json.loads(read(location))


def run_as_the_service_does(location: str) -> str:
    """Runs the graph of a job; its workers are in this process. Returns its last state."""
    options = job_at(location)["environment"]["sdkPipelineOptions"]["options"]
    graph = beam_runner_api_pb2.Pipeline.FromString(read(options["pipelineUrl"]))
    for environment in graph.components.environments.values():
        environment.CopyFrom(EmbeddedPythonEnvironment().to_runner_api(None))
    result = FnApiRunner().run_via_runner_api(graph, PipelineOptions([]))
    return result.wait_until_finish()
