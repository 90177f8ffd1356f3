"""The files of `deploy/`, read."""

from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def stages() -> dict[str, list[tuple[str, str]]]:
    """Returns the instructions of each stage of the Dockerfile, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    stage: list[tuple[str, str]] = []
    for step in DockerfileParser(str(DEPLOY / "Dockerfile")).structure:
        if step["instruction"] == "FROM":
            stage = found.setdefault(step["value"].split()[-1], [])
        if step["instruction"] != "COMMENT":
            stage.append((step["instruction"], step["value"]))
    return found


def base_of(stage: str) -> str:
    """Returns what a stage begins from."""
    return dict(stages()[stage])["FROM"].split()[0]


def environment_of(target: str) -> dict[str, str]:
    """Returns the variables that the image of a target sets, without its search path."""
    found: dict[str, str] = {}
    arguments: dict[str, str] = {}
    if base_of(target) in stages():
        found.update(environment_of(base_of(target)))
    for instruction, value in stages()[target]:
        if instruction == "ARG":
            name, _, default = value.partition("=")
            arguments[name] = default
        elif instruction == "ENV":
            pairs = (Template(pair).safe_substitute(arguments) for pair in value.split())
            found.update(pair.split("=", 1) for pair in pairs)
    found.pop("PATH", None)
    return found
