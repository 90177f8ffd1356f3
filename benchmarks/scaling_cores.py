"""How one process, or several, would use machines of many cores: a simulation.

    python -m benchmarks.scaling_cores [--model_us=194]

Record batches go through a process as they do in a run: one is read and tokenized, its
micro-batches go through the streams, then it is written, and the next one begins. Two things are
scarce: the cores, and Python's interpreter, which one thread of a process has at a time. What each
step takes of them was measured on two cores, and is given by flags in microseconds: of a text
through the model (`benchmarks.predictor`), of a text in Python, of a call of TensorFlow that does
nothing, of reading and writing (`benchmarks.pipeline_cost`) and of tokenizing
(`benchmarks.tokenizers`). It does not know of caches and memory that many cores share.
"""

import argparse
import heapq
import itertools
from collections.abc import Generator
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


_Step = tuple[str, float]
_Steps = Generator[_Step, None, None]


class _Process:
    """A process: its interpreter, its cores and its streams, each a queue that serves in order."""

    def __init__(self, cores: int) -> None:
        self._free = {"interpreter": [0.0], "core": [0.0] * cores}
        self._streams = [0.0] * (_STREAMS * cores)

    def use(self, what: str, begin: float, duration: float) -> float:
        """Returns when a use ends that wants to begin at a time."""
        end = max(begin, heapq.heappop(self._free[what])) + duration
        heapq.heappush(self._free[what], end)
        return end

    def predict(self, begin: float, batches: list[tuple[float, float]]) -> float:
        """Returns when micro-batches are done, each the interpreter's and then a core's time."""
        done = begin
        ready: list[tuple[float, int, float]] = []  # those that wait for a core
        number = itertools.count()
        waiting = list(reversed(batches))
        streams = [max(begin, free) for free in self._streams]
        heapq.heapify(streams)
        while waiting or ready:
            start = max(streams[0], self._free["interpreter"][0]) if waiting and streams else None
            if start is not None and (not ready or start <= ready[0][0]):
                python, model = waiting.pop()
                at = self.use("interpreter", heapq.heappop(streams), python)
                heapq.heappush(ready, (at, next(number), model))
            else:
                at, _, model = heapq.heappop(ready)
                end = self.use("core", at, model)
                heapq.heappush(streams, end)
                done = max(done, end)
        self._streams = streams
        return done


def rows_a_second(costs: Costs, cores: int, area: int) -> float:
    """Returns the texts a second of one process.

    Args:
        costs: What a text takes.
        cores: Cores of the process.
        area: Token area of a micro-batch.
    """
    process = _Process(cores)
    texts = max(1, area // _TOKENS)
    now = 0.0
    for _ in range(_BATCHES):
        now = process.use("interpreter", now, _ROWS * costs.serial)
        tasks = _ROWS // _TOKENIZED
        now = max(process.use("core", now, _TOKENIZED * costs.tokenize) for _ in range(tasks))
        sizes = [min(texts, _ROWS - start) for start in range(0, _ROWS, texts)]
        batches = [(costs.call + n * costs.python, n * costs.model) for n in sizes]
        now = process.predict(now, batches)
    return 1e6 * _BATCHES * _ROWS / now


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
