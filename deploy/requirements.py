"""Prints the packages of an image: `python requirements.py tensorflow none`, or `jax gpu`."""

import sys
from pathlib import Path

import tomllib

# What the packages of the project lack, by backend and accelerator; extras bring CUDA's libraries.
MORE = {
    ("tensorflow", "none"): [],
    ("tensorflow", "gpu"): ["tensorflow[and-cuda]"],
    ("jax", "none"): ["jax"],
    ("jax", "gpu"): ["jax[cuda12]"],
}


def requirements(backend: str, accelerator: str, project: str) -> list[str]:
    """Returns what pip has to install.

    Args:
        backend: What Keras computes with.
        accelerator: `gpu`, or `none`.
        project: The text of pyproject.toml.

    Raises:
        SystemExit: There is no such image.
    """
    if (backend, accelerator) not in MORE:
        raise SystemExit(
            f"BACKEND={backend} ACCELERATOR={accelerator}: give tensorflow or jax, and none or gpu"
        )
    return [*tomllib.loads(project)["project"]["dependencies"], *MORE[backend, accelerator]]


if __name__ == "__main__":
    print(*requirements(*sys.argv[1:3], Path("pyproject.toml").read_text()), sep="\n")
