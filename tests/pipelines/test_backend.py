"""What computes is chosen by a flag or the environment, and said in the results."""

from importlib.util import find_spec

import numpy as np
import pytest

from models import backends
from models.backends import BACKENDS
from pipelines import classify
from tests.pipelines.command_runs import run, run_process

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs the extra jax")
OTHER = next(name for name in BACKENDS if name != backends.name())
PROCESSES = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "reviews"
    folder.mkdir()
    (folder / "a.txt").write_text("The soup was hot.\nThe train was late, as ever!\n")
    return folder


@pytest.fixture
def flags(tiny_preset, corpus, tmp_path):
    output = tmp_path / "out"
    return output, f"--preset={tiny_preset}", f"--input={corpus}", f"--output={output}"


@needs_jax
@pytest.mark.slow
def test_a_flag_wins_over_the_environment_and_worker_processes_follow(flags):
    scores = []
    for name, other in (BACKENDS, BACKENDS[::-1]):
        asked = (*flags, "--if_exists=overwrite", f"--backend={name}", *PROCESSES)
        done = run_process("classify", *asked, KERAS_BACKEND=other)
        assert done.code == 0, done.err
        assert done.manifest["model"]["backend"] == name
        assert ("jax" in done.manifest["versions"]) == (name == "jax")
        scores.append(done.column("score"))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


@needs_jax
def test_a_result_is_brought_up_to_date_on_another_backend(flags, corpus):
    for number, name in enumerate(BACKENDS):
        (corpus / f"{name}.txt").write_text(f"A warm film, {number}.\n")
        done = run_process("classify", *flags, "--if_exists=update", KERAS_BACKEND=name)
        assert (done.code, done.manifest["model"]["backend"]) == (0, name), done.err
        assert len(done.column("score")) == 3 + number


@needs_jax
def test_a_process_with_keras_cannot_change_to_another(flags):
    import keras

    assert keras.backend.backend() != OTHER
    done = run(classify.main, *flags, f"--backend={OTHER}")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"set KERAS_BACKEND={OTHER} before it is imported" in done.err
    assert not done.folder.exists()


@needs_jax
def test_int8_on_jax_is_refused_before_any_worker_starts(flags):
    done = run_process("classify", *flags, "--precision=int8", "--backend=jax", *PROCESSES)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--precision=int8 is for TensorFlow, and the backend is jax: choose" in done.err
    assert not done.folder.exists()


def test_a_backend_that_the_commands_do_not_run_on_is_refused(flags):
    done = run_process("classify", *flags, KERAS_BACKEND="torch")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "the predictor does not run on Keras's backend 'torch'" in done.err
    assert "set KERAS_BACKEND to tensorflow or jax" in done.err
    assert not done.folder.exists()
