"""How one process, or several, would use machines of many cores: a simulation.

    python -m benchmarks.scaling_cores [--model_us=194]

Record batches go through a process as they do in a run: one is read and tokenized, its
micro-batches are handed to the streams, the results of the one before are taken and written, and
the next one begins. Two things are scarce: the cores, and Python's interpreter, which one thread of
a process has at a time, on a core. What each step takes of them was measured on two cores, and is
given by flags in microseconds: of a text through the model (`benchmarks.predictor`), of a text in
Python, of a call of TensorFlow that does nothing, of reading and writing
(`benchmarks.pipeline_cost`) and of tokenizing (`benchmarks.tokenizers`). It does not know of caches
and memory that many cores share.
"""

import argparse
import heapq
import itertools
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass

_MACHINES = (8, 32, 96)
_ROWS = 2048  # of a record batch
_TOKENS = 46  # of a text of AG News
_STREAMS = 2
_TOKENIZED = 512  # texts that a thread tokenizes at a time
_BATCHES = 48


@dataclass(frozen=True)
class Costs:
    """Microseconds.

    Attributes:
        model: Of a core, for a text.
        python: Of the interpreter, for a text in a micro-batch.
        call: Of the interpreter, for a micro-batch.
        serial: Of the interpreter, for a text that is read and written.
        tokenize: Of a core, for a text.
    """

    model: float
    python: float
    call: float
    serial: float
    tokenize: float


_Work = Generator["_Use | _Until", None, None]


@dataclass
class _Use:
    """Takes a core for a while, and with it the interpreter if it is Python that works."""

    duration: float
    is_python: bool = False


@dataclass
class _Until:
    """Waits for a number of things to happen."""

    missing: int
    waiting: _Work | None = None


class _Clock:
    """Lets works go on at the same time, on as many cores as there are."""

    def __init__(self, cores: int) -> None:
        self.now = 0.0
        self._free = cores
        self._is_python_free = True
        self._for_python: deque[tuple[_Work, _Use]] = deque()
        self._for_a_core: deque[tuple[_Work, _Use]] = deque()
        self._ends: list[tuple[float, int, _Work, _Use]] = []
        self._numbers = itertools.count()

    def go_on(self, work: _Work) -> None:
        """Takes a work to where it waits next."""
        for step in work:
            if isinstance(step, _Use):
                (self._for_python if step.is_python else self._for_a_core).append((work, step))
                self._serve()
                return
            if step.missing:
                step.waiting = work
                return

    def happened(self, until: _Until) -> None:
        """Counts one of the things that somebody waits for."""
        until.missing -= 1
        if not until.missing and until.waiting is not None:
            self.go_on(until.waiting)

    def run(self) -> None:
        """Lets time pass until nothing is left to do."""
        while self._ends:
            self.now, _, work, use = heapq.heappop(self._ends)
            self._free += 1
            self._is_python_free |= use.is_python
            self._serve()
            self.go_on(work)

    def _serve(self) -> None:
        while self._free:
            if self._is_python_free and self._for_python:
                self._is_python_free = False
                work, use = self._for_python.popleft()
            elif self._for_a_core:
                work, use = self._for_a_core.popleft()
            else:
                return
            self._free -= 1
            end = self.now + use.duration
            heapq.heappush(self._ends, (end, next(self._numbers), work, use))


class _Streams:
    """Begins works in order, as many at a time as there are streams."""

    def __init__(self, clock: _Clock, number: int) -> None:
        self._clock = clock
        self._free = number
        self._waiting: deque[_Work] = deque()

    def begin(self, works: Iterable[_Work]) -> None:
        """Begins works when it is their turn."""
        self._waiting.extend(works)
        while self._free and self._waiting:
            self._free -= 1
            self._clock.go_on(self._waiting.popleft())

    def end_one(self) -> None:
        """Makes room for the next."""
        self._free += 1
        self.begin(())


def rows_a_second(costs: Costs, cores: int, area: int) -> float:
    """Returns the texts a second of one process.

    Args:
        costs: What a text takes.
        cores: Cores of the process.
        area: Token area of a micro-batch.
    """
    clock = _Clock(cores)
    streams = _Streams(clock, _STREAMS * cores)
    texts = max(1, area // _TOKENS)
    sizes = [min(texts, _ROWS - start) for start in range(0, _ROWS, texts)]

    def tokenized(done: _Until) -> _Work:
        yield _Use(_TOKENIZED * costs.tokenize)
        clock.happened(done)

    def computed(size: int, done: _Until) -> _Work:
        yield _Use(costs.call + size * costs.python, is_python=True)
        yield _Use(size * costs.model)
        streams.end_one()
        clock.happened(done)

    def passed() -> _Work:
        before = _Until(0)
        for _ in range(_BATCHES):
            yield _Use(_ROWS * costs.serial / 2, is_python=True)
            tasks = _Until(_ROWS // _TOKENIZED)
            for _ in range(tasks.missing):
                clock.go_on(tokenized(tasks))
            yield tasks
            done = _Until(len(sizes))
            streams.begin(computed(size, done) for size in sizes)
            yield before
            yield _Use(_ROWS * costs.serial / 2, is_python=True)
            before = done
        yield before

    clock.go_on(passed())
    clock.run()
    return 1e6 * _BATCHES * _ROWS / clock.now


def main() -> None:
    """Prints the texts a second of each machine, in one process or several."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model_us", type=float, default=194, help="a text through the model")
    parser.add_argument("--python_us", type=float, default=3)
    parser.add_argument("--call_us", type=float, default=255)
    parser.add_argument("--serial_us", type=float, default=7)
    parser.add_argument("--tokenize_us", type=float, default=6)
    args = parser.parse_args()
    costs = Costs(args.model_us, args.python_us, args.call_us, args.serial_us, args.tokenize_us)
    one = rows_a_second(costs, 1, 1024)
    print(
        f"one core, one process: {one:,.0f} texts/s; below, times that, and the share of the cores"
    )
    for cores in _MACHINES:
        for processes in sorted({1, cores // 8, cores // 4, cores} - {0}):
            speeds = [
                processes * rows_a_second(costs, cores // processes, area) / one
                for area in (1024, 4096)
            ]
            columns = "".join(f"  {speed:6.1f} {speed / cores:5.0%}" for speed in speeds)
            print(f"  {cores:3} cores, {processes:3} processes, areas 1024 and 4096:{columns}")


if __name__ == "__main__":
    main()
