"""A bucket that is far away and sometimes fails, and workers that are strangers to this process."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import classify as classify_command
from pipelines import embed as embed_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.elsewhere.workers import COMMAND, Site, Workers
from tests.storage_proxy import StorageProxy
from transforms.writing.folder import open_folder

FILES, ROWS = 4, 40
BUCKET = "gs://textbeam-test/elsewhere"
# Two files are too large for a unit; what makes them so is not kept.
_NOISE = "x" * (4_300_000 // ROWS)


@dataclass(frozen=True)
class Command:
    """A command over the corpus in the bucket.

    Attributes:
        main: It.
        flags: Its flags, but for the output.
        number: What it adds to a row.
        expected: The output folder of its run on this machine.
    """

    main: Callable[..., int]
    flags: tuple[str, ...]
    number: str
    expected: str

    def run(self, output: str, *flags: str) -> Run:
        return run(self.main, Path(output), *self.flags, f"--output={output}", *flags)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def workers_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, for `Workers`."""
    monkeypatch.setenv(COMMAND, site.command)
    monkeypatch.setattr(Workers, "failures", 0)
    site.forget()
    return site


@pytest.fixture
def output(gcs_proxy: StorageProxy, gcs_bucket: str) -> Iterator[str]:
    """A folder in the bucket, which takes its time now and refuses some requests."""
    generator = random.Random(1)
    plain = gcs_proxy.fault, gcs_proxy.delay
    gcs_proxy.fault = lambda method, path: 503 if generator.random() < 0.03 else None
    gcs_proxy.delay = 0.01
    yield gcs_bucket
    gcs_proxy.fault, gcs_proxy.delay = plain


@pytest.fixture(scope="session")
def preset_files(tiny_preset: Path) -> dict[str, bytes]:
    """The files of the tiny preset by their names."""
    files = filter(Path.is_file, tiny_preset.rglob("*"))
    return {path.relative_to(tiny_preset).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def commands(
    gcs_proxy: StorageProxy,
    preset_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Command]:
    """The commands by their names, which have been run on this machine."""
    folder = open_folder(BUCKET)
    for i in range(FILES):
        rows = [
            {"id": i * ROWS + j, "text": f"{j}. {TEXTS[(i + j) % len(TEXTS)]}", "noise": _NOISE}
            for j in range(ROWS)
        ]
        folder.write_whole(f"in/{i}.jsonl", "\n".join(map(json.dumps, rows)).encode())
    for name, content in preset_files.items():
        folder.write_whole(f"preset/{name}", content)
    given = (f"--input={BUCKET}/in/*.jsonl", "--columns=id,text")
    # One preset comes with the package, the other is in the bucket.
    ours, own = (f"--preset={name}" for name in ("sentiment_tiny_en", f"{BUCKET}/preset"))
    found = {
        "classify": Command(classify_command.main, (*given, ours), "score", f"{BUCKET}/classify"),
        "embed": Command(embed_command.main, (*given, own), "embedding", f"{BUCKET}/embed"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTBEAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        for command in found.values():
            here = command.run(command.expected)
            assert here.code == 0, here.err
    return found
