"""Launches a job from a Flex Template: what Google's launcher runs in the image.

The launcher calls this file with the parameters of the template as flags, each `--name=value`, with
what else it knows of the job, and with `--template_location`, where it wants the job's graph. So
the input is listed and the run is planned when the template is launched, not when it is built. The
service then starts the job; nobody waits for it here.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from models.errors import UserError
from pipelines.flags.beam_flags import unknown_to_beam
from pipelines.flags.options import Parser, value_of
from pipelines.reporting.console import run_command, run_process

# Between the paths of the input: white space before a scheme, since a name may hold some, too.
_BETWEEN_PATHS = re.compile(r"\s+(?=[a-z]+[0-9]*://)")

# What a job that does nothing needs no more than once, or not at all.
_OF_WORK = (
    *("num_workers", "max_num_workers", "autoscaling_algorithm"),
    *("worker_machine_type", "machine_type", "disk_size_gb", "worker_disk_type"),
    *("dataflow_service_options", "accelerator"),
)


def flags_of(parameters: Sequence[str], parser: Parser) -> list[str]:
    """Returns the flags of a command for what the launcher was given.

    Args:
        parameters: Each `--name=value`. A flag of the command that stands alone, such as
            `--probabilities`, is `true` or `false` here, and `--input` has paths with white space
            between them.
        parser: The command's.

    Raises:
        UserError: A flag that is on or off is neither.
    """
    flags: list[str] = []
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "--input":
            flags += [f"--input={path}" for path in _BETWEEN_PATHS.split(value.strip())]
        elif name in switches(parser):
            flags += _switched(name, value, parser)
        else:
            flags.append(parameter)
    return flags


def switches(parser: Parser) -> list[str]:
    """Returns the names of the flags that stand alone."""
    return [
        action.option_strings[0]
        for action in parser._actions
        if isinstance(action, (argparse._StoreTrueAction, argparse._StoreFalseAction))
    ]


def opposite(name: str) -> str:
    """Returns the name of the flag that says no, of which not every flag has one."""
    return f"--no_{name.removeprefix('--')}"


def _switched(name: str, value: str, parser: Parser) -> list[str]:
    if value.lower() not in ("true", "false"):
        raise UserError(f"{name}={value} is neither true nor false")
    if value.lower() == "true":
        return [name]
    return [opposite(name)] if opposite(name) in switches(parser) else []


def launch(parameters: Sequence[str]) -> int:
    """Writes the graph of the job that the parameters ask for; returns the exit code.

    The command is that of the image: `TEXTBEAM_COMMAND`. Workers run the image that
    `TEXTBEAM_IMAGE` names, unless a parameter names another.
    """
    command = import_module(f"pipelines.{os.environ['TEXTBEAM_COMMAND']}")
    parser = command.make_parser()
    flags = flags_of(parameters, parser)
    flags = _without_unknown(flags, parser)
    location = value_of("--template_location", flags)
    if location is None:
        raise UserError("--template_location is missing: this file is what a launcher runs")
    image = os.environ.get("TEXTBEAM_IMAGE")
    if image and value_of("--sdk_container_image", flags) is None:
        flags.append(f"--sdk_container_image={image}")
    code = command.main(flags)
    if code == 0 and not _is_written(location):
        _write_job_of_nothing(flags, parser)
    return code


def _without_unknown(flags: Sequence[str], parser: Parser) -> list[str]:
    """Leaves out what neither the command nor Beam knows, and says so.

    The service lets no parameter through that the template does not have: what is left comes from
    the launcher, of which there are versions newer than this file.
    """
    unknown = set(unknown_to_beam(parser.parse_known_args(flags)[1]))
    for flag in sorted(unknown):
        print(f"note: {flag} is no option of this version, and has no effect", file=sys.stderr)
    return [flag for flag in flags if flag not in unknown]


def _is_written(location: str) -> bool:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems.exists(location)


def _write_job_of_nothing(flags: Sequence[str], parser: Parser) -> None:
    """Writes the graph of a job that ends as soon as it has begun.

    With nothing to do a command succeeds without a job; a launcher without one fails.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    others = [
        flag
        for flag in parser.parse_known_args(flags)[1]
        if flag.partition("=")[0].removeprefix("--") not in _OF_WORK
    ]
    pipeline = beam.Pipeline(options=PipelineOptions([*others, "--max_num_workers=1"]))
    _ = pipeline | "Nothing to do" >> beam.Create(["nothing to do"])
    pipeline.run()


if __name__ == "__main__":
    run_process(lambda: run_command(launch, None))
