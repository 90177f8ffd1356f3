import errno
import os

import pytest
import tensorflow as tf

from models import faults
from models.errors import RunError
from models.faults import HANDFUL, FailuresInSuccession, is_of_the_machine, reason_of, try_again

OF_THE_MACHINE = [
    OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    PermissionError(errno.EACCES, "denied"),
    MemoryError(),
    ImportError("libx.so: cannot open shared object file: Too many open files"),
    tf.errors.ResourceExhaustedError(None, None, "OOM"),
    tf.errors.InternalError(None, None, "CUDA error: an illegal memory access"),
    tf.errors.UnavailableError(None, None, "the device is gone"),
]
OF_A_ROW = [
    ValueError("too long"),
    RuntimeError("odd"),
    tf.errors.InvalidArgumentError(None, None, "indices[0,1] = 9 is not in [0, 9)"),
]


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", made.append)
    return made


def failing(times: int, error: Exception):
    """Work that fails some times before it succeeds."""
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return work


@pytest.mark.parametrize("error", OF_THE_MACHINE, ids=lambda error: type(error).__name__)
def test_what_the_machine_did_is_tried_again_after_growing_pauses(error, pauses):
    assert is_of_the_machine(error)
    assert try_again(failing(3, error), "reading") == "done"
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    assert 0 < sum(pauses) < 5


@pytest.mark.parametrize("error", OF_THE_MACHINE, ids=lambda error: type(error).__name__)
def test_a_machine_that_goes_on_failing_ends_the_run_with_the_reason(error, pauses):
    with pytest.raises(RunError, match=r"^reading failed 4 times on this machine") as caught:
        try_again(failing(4, error), "reading")
    assert str(caught.value).endswith(reason_of(error))


@pytest.mark.parametrize("error", OF_A_ROW, ids=lambda error: type(error).__name__)
def test_what_a_row_did_is_not_tried_again(error, pauses):
    with pytest.raises(type(error)):
        try_again(failing(1, error), "reading")
    assert pauses == []


def test_the_reason_is_the_first_line_or_the_type():
    assert reason_of(ValueError("one\ntwo")) == "ValueError: one"
    assert reason_of(MemoryError()) == "MemoryError"


def test_a_handful_of_failures_are_bad_rows_and_one_more_is_no_coincidence():
    failures = FailuresInSuccession("the model")
    failures.add(range(HANDFUL), "odd")
    told = "^the model failed on every row, 9 different ones in succession.*: odd$"
    with pytest.raises(RunError, match=told):
        failures.add([HANDFUL], "odd")
    with pytest.raises(RunError, match=told):  # again, where a runner tries again
        failures.add([HANDFUL], "odd")
    with pytest.raises(RunError, match="every row, 2,000 different ones"):
        FailuresInSuccession("the model").add(range(2000), "odd")


def test_a_row_that_does_not_fail_ends_the_succession():
    failures = FailuresInSuccession("the model")
    for start in range(0, 100, HANDFUL):
        failures.add(range(start, start + HANDFUL), "odd")
        failures.clear()


def test_a_bad_row_that_recurs_is_one_bad_row():
    failures = FailuresInSuccession("the model")
    for _ in range(100):
        failures.add(["the same"] * 100, "odd")


@pytest.mark.parametrize(
    "told",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 99 bytes.",
        "INTERNAL: Autotuning failed: RESOURCE_EXHAUSTED: Out of memory",
        "INTERNAL: Failed to allocate 99 bytes for new constant: CUDA_ERROR_OUT_OF_MEMORY",
    ],
)
@pytest.mark.parametrize("library", ["jax", "tensorflow"])
def test_a_card_tells_that_there_is_no_memory_in_several_ways(library, told):
    def error(told):
        if library == "tensorflow":
            return tf.errors.InternalError(None, None, told)
        return pytest.importorskip("jax").errors.JaxRuntimeError(told)

    assert faults.is_out_of_memory(error(told))
    assert is_of_the_machine(error(told))
    assert not faults.is_out_of_memory(error("INTERNAL: illegal access"))
    assert not faults.is_out_of_memory(ValueError(told))
