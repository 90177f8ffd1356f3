"""What pip installs is the whole: code, bundled preset and sample."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("models", "transforms", "pipelines", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_labels_the_sample(tmp_path, kind):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for part in map(Path, PARTS):
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, source / part, ignore=ignore)
        else:
            shutil.copy(ROOT / part, source / part)
    build = f"from setuptools.build_meta import build_{kind} as build; print(build('../dist'))"
    name = run("-c", build, cwd=source).splitlines()[-1]
    install = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", f"--target={site}"]
    run(*install, str(tmp_path / "dist" / name), cwd=tmp_path)
    there = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    for floor in ("models", "transforms", "pipelines"):
        for path in (source / floor).rglob("*.*"):
            if path.is_file() and path.suffix != ".pyc":
                assert path.relative_to(source).as_posix() in there
    out = run("-m", "pipelines.classify", cwd=tmp_path, PYTHONPATH=str(site))
    assert "200 rows labelled" in out
    assert (tmp_path / "output" / "_MANIFEST.json").is_file()
    where = run("-c", "import models; print(models.__file__)", cwd=tmp_path, PYTHONPATH=str(site))
    assert where.startswith(str(site))
