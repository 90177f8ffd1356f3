"""`--embedding_dtype=int8`: the rows of a folder share their ranges, whatever dies."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from models.errors import RunError
from models.quantization import Ranges
from tests.pipelines.command_runs import ENVIRONMENT, ROOT
from tests.pipelines.conftest import TEXTS
from tests.pipelines.quantized.results import OTHERS, check_whole, ranges_of
from transforms.writing.chunk import ChunkWriter


def test_an_append_has_the_ranges_of_the_first_run(embed, write, vectors, request):
    write("a.txt", TEXTS)
    first = ranges_of(embed())
    request.getfixturevalue("no_sample")
    write("a.txt", OTHERS)
    found = embed("--if_exists=append")
    check_whole(found, vectors, rows=len(TEXTS) + len(OTHERS))
    assert ranges_of(found) == first
    assert first.merged(Ranges.of(vectors(OTHERS))).ends.tolist() != first.ends.tolist()


def test_an_update_has_the_ranges_of_the_first_run(embed, write, vectors, request):
    write("a.txt", TEXTS)
    write("b.txt", TEXTS[:3])
    first = ranges_of(embed("--if_exists=update"))
    request.getfixturevalue("no_sample")
    write("b.txt", OTHERS)
    write("c.txt", OTHERS)
    found = embed("--if_exists=update")
    check_whole(found, vectors, rows=len(TEXTS) + 2 * len(OTHERS))
    assert ranges_of(found) == first
    for name in "abc":  # even where no row of that time is left
        write(f"{name}.txt", OTHERS[:1])
    found = embed("--if_exists=update")
    check_whole(found, vectors, rows=3)
    assert ranges_of(found) == first


def test_an_overwrite_has_ranges_of_its_own(embed, write, vectors):
    write("a.txt", TEXTS)
    first = ranges_of(embed())
    write("a.txt", OTHERS)
    found = embed("--if_exists=overwrite")
    check_whole(found, vectors, rows=len(OTHERS))
    assert ranges_of(found) != first
    assert ranges_of(found).rows == len(OTHERS)


@pytest.fixture
def half_done(embed, write_units, monkeypatch, tmp_path) -> Callable[..., Ranges]:
    """Runs the command over four units, of which two are done when it dies."""

    def die(*flags: str) -> Ranges:
        write_units("abcd")
        left = [1, 2]
        commit = ChunkWriter.commit

        def commit_two(self, is_last):
            if not left:
                raise RunError("died")
            left.pop()
            commit(self, is_last)

        with monkeypatch.context() as patched:
            patched.setattr(ChunkWriter, "commit", commit_two)
            assert "died; 50% of the work is kept" in embed(*flags).err
        (stored,) = tmp_path.glob("out/_runs/*/ranges.json")
        return Ranges.from_json(json.loads(stored.read_text()))

    return die


@pytest.mark.parametrize("before", ["nothing", "a result"])
def test_a_run_that_goes_on_has_the_ranges_of_its_parts(
    embed, write, vectors, half_done, before, request
):
    if before == "a result":
        write("a.txt", OTHERS[:2])
        first = ranges_of(embed())
    ranges = half_done(*(["--if_exists=append"] if before == "a result" else []))
    assert before == "nothing" or ranges == first
    request.getfixturevalue("no_sample")
    write("e.txt", OTHERS)
    found = embed("--if_exists=update")
    check_whole(found, vectors, rows=44)
    assert ranges_of(found) == ranges


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_without_its_ranges_what_a_dead_run_has_done_is_done_anew(
    embed, write, vectors, half_done, tmp_path, damage
):
    ranges = half_done()
    (stored,) = tmp_path.glob("out/_runs/*/ranges.json")
    stored.unlink() if damage == "gone" else stored.write_text('{"rows": 4')
    write("e.txt", OTHERS)
    found = embed("--if_exists=update")
    check_whole(found, vectors, rows=44)
    assert ranges_of(found) != ranges
    assert ranges_of(found).rows == 44


def test_an_overwrite_after_a_death_has_ranges_of_its_own(embed, write, vectors, half_done):
    ranges = half_done()
    for name in "abcd":
        write(f"{name}.txt", OTHERS)
    found = embed("--if_exists=overwrite")
    check_whole(found, vectors, rows=16)
    assert ranges_of(found) != ranges


@pytest.mark.slow
def test_a_run_that_is_killed_while_others_wait_for_its_ranges_is_begun_anew(
    embed, write_units, vectors, tiny_preset, tmp_path
):
    write_units("ab")
    killed = (
        "import os; from transforms.quantizing import calibrate; from pipelines import embed; "
        "calibrate.settle_ranges = lambda *_: os._exit(9); "
        f"embed.main(['--preset={tiny_preset}', '--input={tmp_path}/in', "
        f"'--output={tmp_path}/out', '--embedding_dtype=int8'])"
    )
    done = subprocess.run([sys.executable, "-c", killed], cwd=ROOT, env=ENVIRONMENT, check=False)
    assert done.returncode == 9
    assert list(tmp_path.glob("out/_runs/*/plan.json"))
    write_units("abc")
    check_whole(embed("--if_exists=update"), vectors, rows=30)
