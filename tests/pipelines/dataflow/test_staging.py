import gc
import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from apache_beam.internal import pickler
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from models import backends
from models.errors import PresetError, UserError
from models.presets import lookup
from models.presets.lookup import PlannedPreset, open_preset
from pipelines.dataflow.staging import backend_flags
from pipelines.flags.beam_flags import beam_options
from tests.models.hubs.hub_servers import HuggingFaceServer
from tests.pipelines.dataflow.templates import IMAGE, Template, names_in, read, write


@pytest.fixture
def template(tmp_path, gcs_bucket) -> Template:
    return Template(tmp_path, gcs_bucket)


@pytest.fixture
def preset(tiny_preset, tmp_path) -> Path:
    """A preset of this machine, with notes beside it that no worker needs."""
    folder = tmp_path / "mine"
    shutil.copytree(tiny_preset, folder)
    (folder / "notes.txt").write_text("to do")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    return folder


def staged_in(template: Template) -> str:
    """The folder of the preset, which its digest names."""
    folder = f"{template.bucket}/tmp/presets"
    (name,) = {name.partition("/")[0] for name in names_in(folder)}
    return f"{folder}/{name}"


def test_a_preset_of_this_machine_is_staged_once(template, preset, gcs_proxy):
    flags = (IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
    template.run(*flags)
    staged = staged_in(template)
    digest = open_preset(preset).digest
    assert digest.startswith(f"sha256:{staged.rpartition('/')[2]}")
    names = names_in(staged)
    assert {"config.json", "task.weights.h5"} <= set(names)
    assert not {"notes.txt", ".git/HEAD"} & set(names)
    assert all(read(f"{staged}/{name}") == (preset / name).read_bytes() for name in names)

    asked: list[tuple[str, str]] = []
    plain = gcs_proxy.fault
    gcs_proxy.fault = lambda method, path: asked.append((method, path))
    try:
        template.run(*flags)
    finally:
        gcs_proxy.fault = plain
    assert template.options["temp_location"]  # it was written again
    of_preset = [(method, path) for method, path in asked if "presets" in path]
    assert [method for method, _ in of_preset] == ["GET"]  # the list of what is there


def test_what_is_damaged_in_the_bucket_is_staged_again(template, preset):
    flags = (IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
    template.run(*flags)
    staged = staged_in(template)
    write(f"{staged}/config.json", b"{")
    template.run(*flags)
    assert read(f"{staged}/config.json") == (preset / "config.json").read_bytes()


def carried(template: Template) -> Iterator[object]:
    """All that the functions of the staged pipeline carry to the workers."""
    for transform in template.pipeline().components.transforms.values():
        if transform.spec.urn != common_urns.primitives.PAR_DO.urn:
            continue
        payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
        waiting: list[object] = [pickler.loads(payload.do_fn.payload)]
        seen: dict[int, object] = {}
        while waiting:
            each = waiting.pop()
            if id(each) in seen or isinstance(each, (type, ModuleType)):
                continue
            seen[id(each)] = each  # kept, so that no other gets its id
            yield each
            is_function = isinstance(each, FunctionType)
            waiting += each.__closure__ or () if is_function else gc.get_referents(each)


def test_workers_are_told_where_it_is_and_the_manifest_names_it_as_the_user_did(template, preset):
    template.run(IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
    found = list(carried(template))
    planned = {each for each in found if isinstance(each, PlannedPreset)}
    digest = open_preset(preset).digest
    assert planned == {PlannedPreset(str(preset), digest, staged_in(template))}
    models = [each["model"] for each in found if isinstance(each, dict) and "model" in each]
    assert {model["preset"] for model in models if isinstance(model, dict)} == {str(preset)}


def test_a_preset_of_a_hub_is_fetched_and_staged(template, tiny_preset, monkeypatch, cache):
    files = {
        path.relative_to(tiny_preset).as_posix(): path.read_bytes()
        for path in tiny_preset.rglob("*")
        if path.is_file()
    }
    server = HuggingFaceServer(files)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    try:
        found = template.run(
            IMAGE, "--preset=hf://textbeam/tiny", f"--temp_location={template.bucket}/tmp"
        )
    finally:
        server.stop()
    assert "config.json" in names_in(staged_in(template)), found.err


def test_what_workers_have_or_read_themselves_is_not_staged(template, tiny_preset):
    from pipelines.preset_output import copy_preset

    copied = f"{template.bucket}/presets/tiny"
    copy_preset(tiny_preset, copied)
    for preset in ("sentiment_tiny_en", copied):
        template.run(IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
        assert template.options["temp_location"].startswith(f"{template.bucket}/tmp")
        assert not names_in(f"{template.bucket}/tmp/presets")


def test_a_bucket_that_takes_no_preset_is_named(template, preset, gcs_proxy):
    plain = gcs_proxy.fault
    probes = iter([None])  # the probe, which may be written
    gcs_proxy.fault = lambda method, path: (
        403
        if method == "POST" and path.endswith("uploadType=multipart") and next(probes, 1)
        else None
    )
    try:
        found = template.run(IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
    finally:
        gcs_proxy.fault = plain
    denied = "Cloud Storage denies access to the bucket 'textbeam-test' (injected)"
    assert denied in found.error
    assert not names_in(f"{template.bucket}/tmp/presets")


@pytest.fixture
def planned(template, preset) -> PlannedPreset:
    """A preset that was staged, and its own folder gone, as on a worker."""
    template.run(IMAGE, f"--preset={preset}", f"--temp_location={template.bucket}/tmp")
    found = PlannedPreset.of(open_preset(str(preset)), staged_in(template))
    shutil.rmtree(preset)
    return found


def test_a_worker_opens_what_was_staged(planned, cache):
    opened = open_preset(planned)
    assert opened.digest == planned.digest
    assert opened.name == planned.name
    assert opened.folder.is_relative_to(cache)


def test_an_image_that_has_the_preset_is_asked_for_nothing(planned, tiny_preset, gcs_proxy):
    shutil.copytree(tiny_preset, planned.name)
    before = gcs_proxy.requests
    assert open_preset(planned).folder == Path(planned.name)
    assert gcs_proxy.requests == before


def test_an_image_with_another_preset_of_that_name_is_passed_over(planned, tiny_preset):
    shutil.copytree(tiny_preset, planned.name)
    config = Path(planned.name) / "config.json"
    described = json.loads(config.read_bytes())
    config.write_text(json.dumps({**described, "note": "another"}))
    assert open_preset(planned).digest == planned.digest


def test_what_changed_in_the_bucket_is_not_run(planned):
    content = json.loads(read(f"{planned.staged}/config.json"))
    write(f"{planned.staged}/config.json", json.dumps({**content, "note": "another"}).encode())
    with pytest.raises(PresetError, match="has changed since the run was planned"):
        open_preset(planned)


def test_classes_that_only_the_registry_names_keep_their_names(
    tiny_preset, template, monkeypatch, cache
):
    from pipelines.preset_output import copy_preset

    staged = f"{template.bucket}/presets/sst2"
    copy_preset(tiny_preset, staged)
    digest = open_preset(tiny_preset).digest
    planned = PlannedPreset("bert_tiny_en_uncased_sst2", digest, staged)
    given: list[object] = []
    plain = lookup.open_preset_folder
    monkeypatch.setattr(
        lookup,
        "open_preset_folder",
        lambda name, folder, labels=None: given.append(labels) or plain(name, folder, labels),
    )
    open_preset(planned)
    assert given == [["negative", "positive"]] or given == [("negative", "positive")]


@pytest.fixture
def on_jax(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(backends, "name", lambda: "jax")


def test_workers_install_the_backend_that_the_program_alone_would_not_bring(on_jax):
    flags = backend_flags(beam_options(["--setup_file=./setup.py"]))
    assert flags[1:] == ["--requirements_cache=skip"]
    path = Path(flags[0].removeprefix("--requirements_file="))
    assert path.read_text() == f"jax=={version('jax')}\n"


def test_an_image_has_its_backend(on_jax):
    assert backend_flags(beam_options([IMAGE])) == []


def test_requirements_of_the_user_name_the_backend(on_jax, tmp_path):
    file = tmp_path / "requirements.txt"
    given = beam_options(["--setup_file=./setup.py", f"--requirements_file={file}"])
    for line in ("jax==0.7.0", "jax[cuda12]", "jax"):
        file.write_text(f"numpy\n{line}\n")
        assert backend_flags(given) == []
    for line in ("", "jaxlib", "jax-extras", "# jax"):
        file.write_text(f"numpy\n{line}\n")
        with pytest.raises(UserError, match=r"does not name jax, .* add the line jax=="):
            backend_flags(given)


def test_tensorflow_comes_with_the_program():
    assert backend_flags(beam_options(["--setup_file=./setup.py"])) == []
