import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import models
from models import backends
from models.backends import cards
from models.inference.runtime import quiet_stderr

of_tensorflow = pytest.mark.skipif(
    backends.name() != "tensorflow", reason="what TensorFlow does as the backend"
)

ROOT = Path(__file__).parents[3]


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_native_code_writes_is_held_back(capfd):
    with quiet_stderr():
        os.write(2, b"a banner\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_was_held_back_is_shown_when_the_body_raises(capfd):
    def fail():
        with quiet_stderr():
            os.write(2, b"the reason\n")
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "the reason\nafter\n"


def test_lines_of_python_are_held_back_and_shown_too():
    held = "import sys\nfrom models.inference.runtime import quiet_stderr\nwith quiet_stderr():\n"
    write = " sys.stderr.write('a line\\nhalf a line')\n"
    assert run_python(held + write).stderr == ""
    failed = run_python(held + write + " raise ValueError\n")
    assert failed.stderr.startswith("a line\nhalf a lineTraceback")


def test_an_interrupt_shows_nothing_of_what_was_held_back():
    held = "import os\nfrom models.inference.runtime import quiet_stderr\nwith quiet_stderr():\n"
    stopped = run_python(held + " os.write(2, b'banner')\n raise KeyboardInterrupt\n")
    assert "KeyboardInterrupt" in stopped.stderr
    assert "banner" not in stopped.stderr


def test_where_native_code_ends_the_process_is_said():
    held = "import os\nfrom models.inference.runtime import quiet_stderr\nwith quiet_stderr():\n"
    died = run_python(held + " os.abort()")
    assert died.returncode < 0
    assert "Fatal Python error: Aborted" in died.stderr
    assert 'File "<string>", line 4' in died.stderr


def test_what_was_written_before_is_not_held_back():
    code = (
        "import sys\nfrom models.inference.runtime import quiet_stderr\n"
        "sys.stderr.write('before')\nwith quiet_stderr(): pass\n"
    )
    assert run_python(code).stderr == "before"


def test_descriptors_are_given_back():
    count = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    if count is None:
        pytest.skip("needs /proc")
    for _ in range(5):
        with quiet_stderr():
            pass
    assert len(os.listdir("/proc/self/fd")) == count


def test_importing_the_package_and_its_descriptions_imports_no_tensorflow():
    code = (
        "import sys, models, models.presets.lookup\n"
        "import models.inference.predictor, models.inference.runtime\n"
        "models.PresetError, models.UserError, models.Predictor\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_text', 'apache_beam'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_public_name_leads_to_something():
    for name in models.__all__:
        found = getattr(models, name)
        assert getattr(models, found.__name__) is found  # another name of what has one of its own
    with pytest.raises(AttributeError, match="module 'models' has no attribute 'Nothing'"):
        _ = models.Nothing


@of_tensorflow
def test_starting_is_quiet_sets_one_thread_an_operation_and_may_be_repeated():
    code = (
        "from models.inference.runtime import start\n"
        "devices = {start(), start(), start(streams=False)}\n"
        "import tensorflow as tf\n"
        "assert len(devices) == 1 and devices <= {'CPU', 'GPU'}, devices\n"
        "from models.inference import cores\n"
        "assert tf.config.threading.get_inter_op_parallelism_threads() == cores.own()\n"
        "print(*devices, tf.config.threading.get_intra_op_parallelism_threads())\n"
    )
    done = run_python(code, CUDA_VISIBLE_DEVICES="-1")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "CPU 1\n"


@pytest.mark.skipif(
    not (find_spec("scipy") and find_spec("jax")), reason="Keras on NumPy needs SciPy and JAX"
)
def test_another_backend_of_keras_is_refused():
    code = (
        "import os\nos.environ['KERAS_BACKEND'] = 'numpy'\n"
        "from models.errors import UserError\nfrom models.inference.runtime import start\n"
        "try: start()\n"
        "except UserError as error: print(error)\n"
    )
    told = run_python(code).stdout
    assert told.startswith("the predictor does not run on Keras's backend 'numpy': ")
    assert "set KERAS_BACKEND to tensorflow or jax before" in told


def test_a_backend_of_no_name_is_the_default():
    found = run_python("from models import backends\nprint(backends.name())", KERAS_BACKEND="")
    assert found.stdout == "tensorflow\n"


HIDDEN = [{"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}, {"JAX_PLATFORMS": "cpu"}]


@pytest.mark.parametrize("hidden", [{}, *HIDDEN], ids=str)
def test_a_card_that_the_backend_does_not_find_is_told(hidden, tmp_path):
    """Keras's backend is installed as for a machine without a card, and there seems to be one."""
    for name in ("nvidia-uvm", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    code = (
        "import sys, warnings\nfrom pathlib import Path\nfrom models.inference import runtime\n"
        f"runtime._DEVICES = Path({str(tmp_path)!r})\n"
        "with warnings.catch_warnings(record=True) as told: device = runtime.start()\n"
        "print(device, *(warning.message for warning in told))\n"
    )
    shown = {"CUDA_VISIBLE_DEVICES": "0", "JAX_PLATFORMS": ""}
    found = run_python(code, **shown | hidden)
    if found.stdout.startswith("GPU"):
        pytest.skip("needs a machine without a GPU")
    expected = f" {cards.missing(backends.name(), tmp_path / 'nvidia1')}"
    assert found.stdout == f"CPU{'' if hidden else expected}\n", found.stderr


@of_tensorflow
def test_a_card_is_told_of_once_and_to_who_trains_too(tmp_path):
    (tmp_path / "nvidia0").touch()
    code = (
        "import warnings\nfrom pathlib import Path\nfrom models.inference import runtime\n"
        f"runtime._DEVICES = Path({str(tmp_path)!r})\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    from models import BertClassifier, RobertaBackbone\n"
        "    device = runtime.start()\n"
        "print(device, *(str(warning.message).split()[0] for warning in told))\n"
    )
    found = run_python(code, CUDA_VISIBLE_DEVICES="0")
    if found.stdout.startswith("GPU"):
        pytest.skip("needs a machine without a GPU")
    assert found.stdout == "CPU TensorFlow\n", found.stderr


TRAINING = """
from models import BertClassifier
classifier = BertClassifier.from_preset("sentiment_tiny_en")
classifier.fit(["good", "bad"], [1, 0], verbose=0)
print(classifier.predict(["good"], verbose=0).shape)
"""


@of_tensorflow
def test_a_model_is_made_and_trained_without_a_word():
    done = run_python(TRAINING)
    assert (done.stdout, done.stderr) == ("(1, 2)\n", "")


@of_tensorflow
@pytest.mark.parametrize("level", ["0", "1"])
def test_who_asks_for_tensorflows_lines_gets_them(level):
    done = run_python("from models import BertClassifier", TF_CPP_MIN_LOG_LEVEL=level)
    assert "All log messages before absl::InitializeLog()" in done.stderr
    assert done.returncode == 0


@of_tensorflow
def test_devices_may_still_be_chosen_once_a_model_class_is_imported():
    code = (
        "from models import BertBackbone\nimport tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(1)\n"
        "tf.config.set_visible_devices([], 'GPU')\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads())\n"
    )
    done = run_python(code)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_a_single_row_is_computed_without_a_word(task):
    code = (
        "from models import Predictor\n"
        f"predictor = Predictor.from_preset('sentiment_tiny_en', {task!r})\n"
        "print(len(predictor(['A fine day.'])))\n"
    )
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("1\n", "")


# Two threads make the first model of a class, whose bases Keras changes then: one waits for the
# other to come as far, and this one for the first to be through.
TWO_AT_ONCE = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from models import Predictor
import keras.src.models.model as of_keras
change, is_first = of_keras.inject_functional_model_class, threading.Lock()
def change_in_turn(kind):
    if kind.__name__ == "BertBackbone":
        time.sleep(1 if is_first.acquire(blocking=False) else 2)
    return change(kind)
of_keras.inject_functional_model_class = change_in_turn
with ThreadPoolExecutor(2) as pool:
    made = pool.map(Predictor.from_preset, ["sentiment_tiny_en"] * 2, ["classify", "embed"])
    print([predictor(["A fine day."]).shape for predictor in made])
"""


def test_two_threads_may_make_their_first_models_at_once():
    done = run_python(TWO_AT_ONCE)
    assert done.stdout == "[(1, 2), (1, 384)]\n", done.stderr


# A class is asked for while another thread starts the backend: it waits for that one to be inside,
# as far as that comes, and each would hold what the other needs. What hangs ends with both stacks.
CLASS_AND_START = """
import faulthandler, os, threading
import models
from models import backends
from models.inference import runtime
faulthandler.dump_traceback_later(180, exit=True, file=os.dup(2))
is_inside, current, import_keras = threading.Event(), backends.current, runtime.import_keras
def enter():
    is_inside.set()
    return current()
backends.current = enter
starting = threading.Thread(target=runtime.start)
def start_beside():
    starting.start()
    is_inside.wait(1)
    import_keras()
runtime.import_keras = start_beside
print(models.BertBackbone.__name__)
starting.join()
print(is_inside.is_set())
"""


def test_a_class_may_be_asked_for_while_the_backend_starts():
    done = run_python(CLASS_AND_START)
    assert done.stdout == "BertBackbone\nTrue\n", done.stderr


def test_garbage_is_searched_for_again_once_tensorflow_has_started():
    code = (
        "import gc\nfrom models.inference import runtime\n"
        "runtime.pause_collection()\nwas = gc.isenabled()\nruntime.start()\n"
        "print(was, gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "gc.disable()\nruntime.resume_collection()\nprint(gc.isenabled())\n"
    )
    # What a program has set for itself stays so.
    assert run_python(code).stdout == "False True True\nFalse\n"


def test_too_few_addresses_for_tensorflow_are_a_sentence():
    done = run_python(
        "import resource\n"
        "from models.errors import UserError\n"
        "from models.inference import runtime\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3_000_000 << 10, resource.RLIM_INFINITY))\n"
        "try: runtime.start()\n"
        "except UserError as error: print(error)",
        KERAS_BACKEND="tensorflow",
    )
    assert done.stdout.startswith("this process may use 3,000,000 KiB of addresses (ulimit -v), ")
    assert done.returncode == 0


@of_tensorflow
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "fast"])
def test_computing_is_quiet(precision):
    code = (
        "from models import Predictor\n"
        "from models.presets.embedding import POOLINGS\n"
        f"given = {{'preset': 'sentiment_tiny_en', 'precision': {precision!r}}}\n"
        "for pooling in POOLINGS:\n"
        "    Predictor.from_preset(**given, task='embed', pooling=pooling)(['a', 'b c'])\n"
        "print(Predictor.from_preset(**given)(['a', 'b c']).shape)\n"
    )
    done = run_python(code, CUDA_VISIBLE_DEVICES="-1")
    assert (done.stderr, done.stdout) == ("", "(2, 2)\n")
