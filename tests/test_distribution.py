"""What pip installs is the whole: code, bundled preset and sample."""

import os

import pytest

from tests.distributions import FLOORS, build, install, run_python


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_labels_the_sample(tmp_path, kind):
    site = tmp_path / "site"
    install(build(kind, tmp_path), site)
    there = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    source = tmp_path / "source"
    for floor in FLOORS:
        for path in (source / floor).rglob("*.*"):
            if path.is_file() and path.suffix != ".pyc":
                assert path.relative_to(source).as_posix() in there
    env = {**os.environ, "PYTHONPATH": str(site)}
    listed = run_python(site / "bin" / "textbeam", cwd=tmp_path, env=env)
    assert listed.startswith("usage: textbeam COMMAND …")
    out = run_python("-m", "pipelines.classify", cwd=tmp_path, env=env)
    assert "200 rows labelled" in out
    assert (tmp_path / "output" / "_MANIFEST.json").is_file()
    where = run_python("-c", "import models; print(models.__file__)", cwd=tmp_path, env=env)
    assert where.startswith(str(site))
