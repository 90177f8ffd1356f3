"""Waiting for many answers at once, and taking them in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

WAITING = 32
"""Threads that wait for storage rather than compute."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def in_order(
    items: Sequence[_Item],
    work: Callable[[_Item], _Found],
    threads: int = WAITING,
    weigh: Callable[[_Item], int] = lambda item: 0,
    most: int = 0,
) -> Iterator[_Found]:
    """Does some work for each item, for several at once, and yields what comes of it in order.

    Work that fails raises when the turn of its item comes; no more is begun then, nor when nobody
    takes what is yielded any more. An interrupt does not wait for work that is being done.

    Args:
        items: The items.
        work: What is done for each, in another thread if there are several.
        threads: For how many items at once.
        weigh: What is held of an item, from when its work begins until the next one is asked for.
        most: How much may be held of all; an item that weighs more waits for its turn.
    """
    if len(items) < 2 or threads < 2:
        yield from map(work, items)
        return
    pool = _Pool(work, threads)
    begun: deque[tuple[Future[_Found], int]] = deque()
    number = held = 0
    try:
        while begun or number < len(items):
            while number < len(items) and len(begun) < 2 * threads:
                weight = weigh(items[number])
                if begun and weight and held + weight > most:
                    break
                begun.append((pool.begin(items[number]), weight))
                held += weight
                number += 1
            future, weight = begun.popleft()
            yield future.result()
            held -= weight
    finally:
        for future, _ in begun:
            future.cancel()
        pool.end()


class _Pool(Generic[_Item, _Found]):
    """Threads that end with the process, be it while they wait: those of an executor do not."""

    def __init__(self, work: Callable[[_Item], _Found], threads: int) -> None:
        self._work = work
        self._jobs: queue.SimpleQueue[tuple[Future[_Found], _Item] | None] = queue.SimpleQueue()
        self._most = threads
        self._threads = 0

    def begin(self, item: _Item) -> "Future[_Found]":
        future: Future[_Found] = Future()
        self._jobs.put((future, item))
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._run, daemon=True).start()
        return future

    def end(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(*job)
            del job  # with what came of it, which may be large, while there is no other

    def _do(self, future: "Future[_Found]", item: _Item) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._work(item))
        except BaseException as error:
            future.set_exception(error)
