"""What pip makes of the project, built and installed as a user's own would be."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = ("models", "transforms", "pipelines")
_PARTS = (*FLOORS, "pyproject.toml", "setup.py", "README.md", "LICENSE")


def build(kind: str, folder: Path) -> Path:
    """Builds a `wheel` or an `sdist` of a copy of the project, in `folder/source`."""
    source = folder / "source"
    source.mkdir()
    for part in map(Path, _PARTS):
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, source / part, ignore=ignore)
        else:
            shutil.copy(ROOT / part, source / part)
    command = f"from setuptools.build_meta import build_{kind} as build; print(build('../dist'))"
    return folder / "dist" / run_python("-c", command, cwd=source).splitlines()[-1]


def install(built: Path, site: Path) -> None:
    """Installs it, without what it depends on, into a folder of packages."""
    run_python(
        *("-m", "pip", "install", "--no-deps", "--no-build-isolation", f"--target={site}", built),
        cwd=built.parent,
    )


def run_python(
    *arguments: str | Path, cwd: Path, env: dict[str, str] | None = None, python: str = ""
) -> str:
    """Runs a Python, this one if none is named; returns its standard output."""
    command = [python or sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
