"""What pip installs is the whole: code, bundled preset and sample."""

import os
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def test_a_plain_install_brings_no_client_of_a_service_that_is_not_used():
    seen, left = set(), [("textbeam", "")]
    while left:
        wanted = left.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        for each in map(Requirement, distribution(wanted[0]).requires or []):
            if each.marker is None or each.marker.evaluate({"extra": wanted[1]}):
                left += [(canonicalize_name(each.name), extra) for extra in ("", *each.extras)]
    brought = {name for name, _ in seen}
    clients = {name for name in brought if name.startswith("google-cloud-")}
    assert clients == {"google-cloud-core", "google-cloud-dataflow-client", "google-cloud-storage"}
    assert not brought & {"torch", "transformers", "pandas", "scikit-learn", "altair", "jax"}
    assert len(brought) < 110, sorted(brought)
