import subprocess
import sys
import threading

import pytest

from tests.pipelines.command_runs import ENVIRONMENT, ROOT
from transforms.storage.ahead import in_order


class Meeting:
    """Work that ends once so many are at it together."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count, timeout=60)

    def __call__(self, item: int) -> int:
        self._barrier.wait()
        return item


class Counted:
    """Work that says what has begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done = threading.Semaphore(0)

    def __call__(self, item: int) -> int:
        self.begun.append(item)
        self.done.release()
        return item


@pytest.mark.parametrize(("count", "threads"), [(0, 8), (1, 8), (3, 1), (200, 8), (5, 64)])
def test_what_is_found_comes_in_order(count, threads):
    assert list(in_order(range(count), lambda item: -item, threads)) == [-i for i in range(count)]


def test_as_many_as_there_are_threads_wait_together():
    assert list(in_order(range(64), Meeting(16), threads=16)) == list(range(64))


def test_what_fails_raises_in_its_turn_and_nothing_more_begins():
    begun = Counted()

    def fail(item: int) -> int:
        begun(item)
        if item in (3, 5):
            raise OSError(item)
        return item

    results = in_order(range(1000), fail, threads=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="3"):
        next(results)
    assert max(begun.begun) < 20


def test_nothing_more_begins_when_nobody_wants_it():
    begun = Counted()
    found = in_order(range(1000), begun, threads=4)
    assert next(found) == 0
    found.close()
    assert max(begun.begun) < 20


def test_no_more_is_held_than_may_be():
    begun, sizes = Counted(), [3, 3, 3, 3, 50, 3, 3, 0]
    found = in_order(range(len(sizes)), begun, 4, sizes.__getitem__, most=10)
    most_begun = [3, 4, 4, 4, 5, 8, 8, 8]  # when each is taken: the large one only by itself
    for item, most in enumerate(most_begun):
        assert next(found) == item
        for _ in range(most - sum(most_begun[item - 1 : item])):
            assert begun.done.acquire(timeout=60)
        assert sorted(begun.begun) == list(range(most))


_INTERRUPTED = """
import os, signal, threading
from transforms.storage.ahead import in_order
def wait(item):
    if item == 7:
        os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
list(in_order(range(8), wait, threads=8))
"""


def test_an_interrupt_waits_for_nothing():
    command = [sys.executable, "-c", _INTERRUPTED]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert "KeyboardInterrupt" in done.stderr
