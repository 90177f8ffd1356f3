"""Prints the packages of an image: `python requirements.py none`, `tensorflow` or `jax`."""

import sys
from pathlib import Path

import tomllib

# With CUDA's libraries, of which Dataflow brings the driver alone.
ACCELERATED = {"none": [], "tensorflow": ["tensorflow[and-cuda]"], "jax": ["jax[cuda12]"]}


def requirements(accelerator: str, project: str) -> list[str]:
    """Returns what pip has to install.

    Args:
        accelerator: A key of `ACCELERATED`.
        project: The text of pyproject.toml.

    Raises:
        SystemExit: There is no such accelerator.
    """
    if accelerator not in ACCELERATED:
        raise SystemExit(f"ACCELERATOR={accelerator} is none of {', '.join(ACCELERATED)}")
    return [*tomllib.loads(project)["project"]["dependencies"], *ACCELERATED[accelerator]]


if __name__ == "__main__":
    print(*requirements(sys.argv[1], Path("pyproject.toml").read_text()), sep="\n")
