"""Both backends compute the same, and each only what it was asked for."""

import os
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from models import backends
from models.errors import UserError

ROOT = Path(__file__).parents[3]
TEXTS = ["good film", "the great play, good!", "bad", "", "awful film the play " * 4]
OTHER = "tensorflow" if backends.name() == "jax" else "jax"

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs the extra jax")


def run_python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


# Writes what a preset's predictors make of texts, by every pooling, and a step of training.
COMPUTE = """
import sys
import numpy as np
from models import BertBackbone, BertClassifier, Predictor
from models.families.bert import BertTextEmbedder
from models.presets.embedding import POOLINGS, EmbeddingSettings
preset, file, *texts = sys.argv[1:]
classify = Predictor.from_preset(preset)
made = {"classify": classify(texts), "pairs": classify(texts, texts[::-1])}
backbone, preprocessor = classify.model.backbone, classify.preprocessor
for pooling in POOLINGS:
    settings = EmbeddingSettings(pooling, normalize=True)
    embedder = BertTextEmbedder(backbone, preprocessor, settings=settings)
    made[pooling] = Predictor(embedder, "CPU")(texts)
still = BertBackbone.from_preset(preset, dropout=0.0)
learner = BertClassifier(still, 3, preprocessor, dropout=0.0)
learner.set_weights(classify.model.get_weights())
learner.compile(optimizer="sgd")
learner.fit(texts, np.arange(len(texts)) % 3, epochs=2, shuffle=False, verbose=0)
made["learned"] = learner.predict(texts, verbose=0)
np.savez(file, **made)
"""


@needs_jax
def test_both_backends_give_the_same_numbers(preset, tmp_path):
    found = []
    for name in backends.BACKENDS:
        file = tmp_path / f"{name}.npz"
        done = run_python(COMPUTE, preset, file, *TEXTS, KERAS_BACKEND=name)
        assert done.returncode == 0, done.stderr
        found.append(np.load(file))
    ours, theirs = found
    assert set(ours) == set(theirs)
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], atol=1e-5, err_msg=name)
        assert np.ptp(ours[name], axis=0).max() > 1e-3, name


# With what `None` in `sys.modules` makes look like a machine without TensorFlow.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["tensorflow_text"] = None
import numpy as np
from models import Predictor
from models.families.bert import BertTextEmbedder
from models.errors import UserError
from models.packing import Tokens
predictor = Predictor.from_preset(sys.argv[1])
ids = np.array([2, 5, 6, 3, 2, 7, 3], np.int32)
tokens = Tokens(ids, np.array([0, 4, 7]), ids * 0)
embedder = BertTextEmbedder(predictor.model.backbone, predictor.preprocessor, normalize=False)
print(predictor.predict(tokens).outputs.shape, Predictor(embedder, "CPU").predict(tokens).errors)
print(np.abs(predictor(["good film"]) - predictor(["good  film"])).max())
try: predictor(["good \\ue000 film"])
except UserError as error: print(error)
"""


@needs_jax
def test_jax_predicts_where_there_is_no_tensorflow(preset):
    done = run_python(WITHOUT_TENSORFLOW, preset, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    shape, same, told = done.stdout.splitlines()
    assert (shape, same) == ("(2, 3) {}", "0.0")
    assert told == (
        "tensorflow, which makes this tokenizer's ids of texts, is not installed: pip install "
        "tensorflow tensorflow-text"
    )


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_a_backend_imports_no_other(name):
    if find_spec(name) is None:
        pytest.skip(f"needs {name}")
    code = (
        "import sys\nfrom models.inference import runtime\nruntime.start()\n"
        "print(*sorted({'jax', 'tensorflow', 'torch'} & set(sys.modules)))\n"
    )
    assert run_python(code, KERAS_BACKEND=name).stdout == f"{name}\n"


# A class is asked for while another thread is halfway through importing TensorFlow.
IN_TWO_THREADS = """
import sys, threading, time
import models
from models.backends import importing
def name_a_class():
    while "tensorflow" not in sys.modules: time.sleep(0.001)
    print(models.BertBackbone.__name__)
thread = threading.Thread(target=name_a_class)
thread.start()
print(importing.tensorflow().__name__)
thread.join()
"""


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_two_threads_may_import_at_once(name):
    if find_spec(name) is None:
        pytest.skip(f"needs {name}")
    done = run_python(IN_TWO_THREADS, KERAS_BACKEND=name)
    assert sorted(done.stdout.split()) == ["BertBackbone", "tensorflow"], done.stderr


def test_a_package_for_processors_alone_is_taken_for_the_other(monkeypatch):
    there = {"tensorflow-cpu": "2.21.0", "jax": "0.10.2"}

    def version(package):
        if package not in there:
            raise metadata.PackageNotFoundError(package)
        return there[package]

    monkeypatch.setattr("models.backends.metadata.version", version)
    found = [backends.version_of(package) for package in ("tensorflow", "jax", "keras")]
    assert found == ["2.21.0", "0.10.2", None]


@needs_jax
def test_tensorflow_has_no_gpu_where_it_only_handles_texts():
    code = (
        "from models import BertTokenizer\n"
        "print(BertTokenizer.from_preset('sentiment_tiny_en').encode(['a day']).ids.tolist())\n"
        "import tensorflow as tf\nprint(tf.config.get_visible_devices('GPU'))\n"
    )
    done = run_python(code, KERAS_BACKEND="jax")
    assert (done.stdout, done.stderr) == ("[43, 230]\n[]\n", "")


def test_a_backend_that_cannot_be_had_is_refused_with_the_way_out(monkeypatch):
    with pytest.raises(UserError, match=r"not run on Keras's backend 'torch'.*tensorflow or jax"):
        backends.choose("torch")
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(UserError, match=r"'jax' is not installed: pip install jax$"):
        backends.choose("jax")


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_a_predictor_says_that_its_backend_is_not_installed(name):
    code = (
        f"import sys\nsys.modules[{name!r}] = None\nfrom models import Predictor, UserError\n"
        "try: Predictor.from_preset('sentiment_tiny_en')\n"
        "except UserError as error: print(error)\n"
    )
    told = run_python(code, KERAS_BACKEND=name).stdout
    assert told.startswith(f"the backend {name!r} is not installed: pip install ")


@needs_jax
def test_a_device_that_jax_does_not_find_is_refused_with_the_way_out():
    code = (
        "from models.errors import UserError\nfrom models.inference import runtime\n"
        "try: runtime.start()\n"
        "except UserError as error: print(error)\n"
    )
    told = run_python(code, KERAS_BACKEND="jax", JAX_PLATFORMS="abacus").stdout
    assert told.startswith("JAX finds no device of JAX_PLATFORMS=abacus (RuntimeError: ")
    assert told.endswith("): unset it, and for a GPU pip install 'jax[cuda12]'\n")


@needs_jax
def test_keras_cannot_change_its_backend():
    with pytest.raises(UserError, match=f"set KERAS_BACKEND={OTHER} before it is imported"):
        backends.choose(OTHER)
    backends.choose(backends.name())


def test_models_go_on_another_backend_and_the_predictor_says_that_it_does_not(preset):
    if find_spec("torch") is None:
        pytest.skip("needs torch")
    code = (
        "import sys\nimport numpy as np\nfrom models import BertClassifier, Predictor, UserError\n"
        "learner = BertClassifier.from_preset(sys.argv[1])\n"
        "learner.fit(['good film', 'bad'], np.array([0, 1]), verbose=0)\n"
        "print(learner.predict(['good'], verbose=0).shape)\n"
        "try: Predictor.from_preset(sys.argv[1])\n"
        "except UserError as error: print(error)\n"
    )
    done = run_python(code, preset, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    shape, told = done.stdout.splitlines()
    assert shape == "(1, 3)"
    assert told.startswith("the predictor does not run on Keras's backend 'torch': set ")
