"""The Dockerfile, read and linted, and what its parts do; no image is built here."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from models.presets import lookup, registry
from tests.deploy.files import DEPLOY, ROOT, base_of, environment_of, stages
from tests.pipelines.command_runs import run_process

# A version with its digits, or a date: not `latest`, nor `3`.
_PINNED = re.compile(r":\d+(\.\d+)+[\w.-]*$|:\d{8}[\w-]*$")
_CONSTRAINT = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; (.*))?$", re.MULTILINE)
_TARGETS = ("worker", "classify", "embed")


def arguments() -> dict[str, str]:
    """The arguments before the first stage, which name what the stages begin from."""
    text = (DEPLOY / "Dockerfile").read_text().partition("\nFROM ")[0]
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version, marker in _CONSTRAINT.findall(path.read_text()):
        if "< '3.11'" not in marker:
            found.setdefault(name, set()).add(version)
    return found


def test_hadolint_finds_nothing():
    command = [Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_image_that_stages_begin_from_is_pinned():
    images = arguments()
    for name in stages():
        base = base_of(name)
        if base not in stages():
            assert base.strip("${}") in images, base
    assert all(_PINNED.search(image) for image in images.values()), images


def test_versions_are_those_of_the_submitter():
    images = arguments()
    (beam,) = pins(ROOT / "constraints.txt")["apache-beam"]
    assert images["BEAM_IMAGE"].endswith(f":{beam}")
    python = re.search(r"python:(\d+\.\d+)\.", images["PYTHON_IMAGE"])[1]
    assert f"beam_python{python}_sdk" in images["BEAM_IMAGE"]
    assert f"/python{python.replace('.', '')}-" in images["LAUNCHER_IMAGE"]
    bundled = [value for _, value in stages()["worker"] if value.endswith("models/bundled")]
    assert [f"lib/python{python}/" in value for value in bundled] == [True]


def test_the_libraries_of_a_gpu_agree_with_all_other_versions():
    ours, gpu = pins(ROOT / "constraints.txt"), pins(DEPLOY / "constraints-gpu.txt")
    assert {"nvidia-cudnn-cu12", "jax-cuda12-plugin"} <= set(gpu)
    differ = {name for name in set(ours) & set(gpu) if not gpu[name] <= ours[name]}
    assert differ == set()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the images have Python 3.11")
def test_packages_are_those_of_the_project_and_cudas_of_the_backend():
    from deploy.requirements import requirements

    project = (ROOT / "pyproject.toml").read_text()
    plain = requirements("tensorflow", "none", project)
    assert any(each.startswith("apache-beam>") for each in plain)
    assert requirements("jax", "none", project) == [*plain, "jax"]
    assert requirements("jax", "gpu", project) == [*plain, "jax[cuda12]"]
    assert requirements("tensorflow", "gpu", project) == [*plain, "tensorflow[and-cuda]"]
    with pytest.raises(SystemExit, match="give tensorflow or jax, and none or gpu"):
        requirements("jax", "tpu", project)


def test_pip_installs_nothing_without_constraints():
    installs = [
        command
        for name in stages()
        for instruction, value in stages()[name]
        if instruction == "RUN"
        for command in re.split(r"&&|;", value)
        if "pip install" in command or "pip wheel" in command
    ]
    assert len(installs) == 4
    for command in installs:
        assert "--no-deps" in command or command.count("--constraint=") == 2, command


@pytest.mark.parametrize("target", _TARGETS)
def test_an_image_starts_a_worker_in_the_environment_that_it_has(target):
    steps = [*stages()["worker"], *(stages()[target] if target != "worker" else [])]
    assert [value for name, value in steps if name == "ENTRYPOINT"] == [
        '["/opt/textbeam/worker.sh"]'
    ]
    # Without it each worker would make an environment of its own, where it starts.
    assert environment_of(target)["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"


def test_the_launchers_run_the_file_that_is_there():
    for target in ("classify", "embed"):
        environment = environment_of(target)
        assert environment["TEXTBEAM_COMMAND"] == target
        assert environment["FLEX_TEMPLATE_PYTHON_PY_FILE"] == "/template/launch.py"
    copied = [value for name, value in stages()["worker"] if name == "COPY"]
    assert "deploy/launch.py /template/" in copied
    assert any("/opt/google/dataflow/python_template_launcher" in value for value in copied)


def test_what_is_copied_is_there_and_let_through():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for name in stages()
        for instruction, value in stages()[name]
        if instruction == "COPY" and "--from=" not in value
        for source in [word for word in value.split() if not word.startswith("--")][:-1]
    }
    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)


def test_a_preset_that_an_image_brings_along_is_in_reach_of_workers(
    tiny_preset, tmp_path, monkeypatch
):
    (name,) = re.findall(r"^ARG PRESET_NAME=(\S+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    flags = ("fetch", str(tiny_preset), f"--output={tmp_path / name}")
    copied = run_process("presets", tmp_path, *flags)
    assert copied.code == 0, copied.err
    monkeypatch.setattr(registry, "BUNDLED", tmp_path)
    assert lookup.find_preset(name).state == "bundled"
    planned = lookup.PlannedPreset.of(lookup.open_preset(name))
    assert planned.name == name  # which is all that a worker gets, and opens it by
    assert planned.open().labels == ["negative", "positive"]


def worker(folder: Path, *arguments: str, user: str = "nobody") -> list[str]:
    """Starts the entry point with a `boot` that says who runs it, with what."""
    for parent in [folder, *folder.parents]:  # pytest's are its user's alone
        if not (mode := stat.S_IMODE(parent.stat().st_mode)) & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
    boot = folder / "boot"
    boot.write_text('#!/bin/sh\nid -un\nprintf "%s\\n" "$HOME" "$@"\ntouch "$STAGED/file"\n')
    boot.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "TEXTBEAM_BOOT": str(boot), "TEXTBEAM_USER": user}
    command = ["sh", str(DEPLOY / "worker.sh"), *arguments]
    environment["STAGED"] = str(folder / "google" / "staged")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="root becomes nobody")
def test_a_worker_is_nobody_and_may_write_what_a_job_stages(tmp_path):
    mounted = tmp_path / "google"
    mounted.mkdir(mode=0o755)
    flags = ["--id=1-1", f"--semi_persist_dir={mounted}", "--logging_endpoint=a b"]
    for _ in range(2):  # again, as after a crash
        user, home, *given = worker(tmp_path, *flags)
        assert (user, given) == ("nobody", flags)
        assert home != os.environ["HOME"]
        assert (mounted / "staged" / "file").owner() == "nobody"
    assert mounted.owner() == "root"


def test_shellcheck_finds_nothing_in_the_entry_point():
    command = [Path(sys.executable).with_name("shellcheck"), DEPLOY / "worker.sh"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


# --- the build


def build() -> dict:
    return yaml.safe_load((DEPLOY / "cloudbuild.yaml").read_text())


def run_steps(place: Path, **values: str) -> tuple[int, list[list[str]], str]:
    """Runs the steps of the build with commands that note what they are given."""
    log = place / "log"
    for name in ("docker", "gcloud"):
        command = place / name
        command.write_text(f'#!/bin/sh\nprintf "%s\\t" {name} "$@" >>{log}\necho >>{log}\n')
        command.chmod(0o755)
    substitutions = build()["substitutions"] | values
    said = ""
    for step in build()["steps"]:
        # Cloud Build puts values in before it starts a step, and takes nothing else that has a `$`.
        script = re.sub(
            r"\$(\$|\w+)",
            lambda each: "$" if each[1] == "$" else substitutions[each[1]],
            step["args"][1],
        )
        done = subprocess.run(
            [step["entrypoint"], step["args"][0], script],
            env={"PATH": f"{place}:{os.environ['PATH']}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        said += done.stderr
        if done.returncode != 0:
            return done.returncode, [], said
    return 0, [line.rstrip("\t").split("\t") for line in log.read_text().splitlines()], said


def test_the_build_pushes_three_images_and_makes_two_templates_of_them(tmp_path):
    repository = "us-central1-docker.pkg.dev/p-roject/textbeam"
    code, commands, _ = run_steps(
        tmp_path, _BUCKET="b", _REPOSITORY=repository, _TAG="1.2", _PRESET="hf://o/n"
    )
    assert code == 0
    builds = [command for command in commands if command[:2] == ["docker", "build"]]
    assert [command[3] for command in builds] == [f"--target={target}" for target in _TARGETS]
    declared = {
        value.split("=")[0] for name in stages() for kind, value in stages()[name] if kind == "ARG"
    }
    for command in builds:
        assert f"--build-arg=IMAGE={repository}/textbeam:1.2" in command
        assert "--build-arg=PRESET=hf://o/n" in command
        given = {each.split("=")[1] for each in command if each.startswith("--build-arg=")}
        assert given == declared
        assert (ROOT / command[2].removeprefix("--file=")).is_file()
    pushed = [command[2] for command in commands if command[:2] == ["docker", "push"]]
    images = [image.replace("$_REPOSITORY", repository) for image in build()["images"]]
    assert pushed == [image.replace("$_TAG", "1.2") for image in images]
    templates = [command for command in commands if command[0] == "gcloud"]
    assert [command[4] for command in templates] == [
        "gs://b/templates/classify-1.2.json",
        "gs://b/templates/embed-1.2.json",
    ]
    for command, image in zip(templates, pushed[1:], strict=True):
        assert f"--image={image}" in command
        (metadata,) = (each for each in command if each.startswith("--metadata-file="))
        assert (ROOT / metadata.partition("=")[2]).is_file()


@pytest.mark.parametrize("tag", ["", "latest"])
def test_the_build_wants_a_tag_that_names_one_state(tmp_path, tag):
    code, _, said = run_steps(tmp_path, _BUCKET="b", _REPOSITORY="r", _TAG=tag)
    assert code == 2
    assert "_TAG, which is not latest" in said


def test_the_builders_are_pinned_or_of_google():
    for step in build()["steps"]:
        assert _PINNED.search(step["name"]) or step["name"] == "gcr.io/cloud-builders/docker"
