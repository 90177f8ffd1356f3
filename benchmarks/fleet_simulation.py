"""How a run's time goes with its number of workers, by a simulation fed with what was measured.

    python -m benchmarks.fleet_simulation [--gb=100] [--model=minilm] [--machine=n2-standard-8]

Units of input are handed out one after another to worker processes, as Beam's runners do, to those
that are free; workers come up one after another; some are slower, and one dies. What is before and
after that, planning, the start, publishing, is a formula. `COSTS` has every number that goes in,
with where it is from.
"""

import argparse
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.flops import SHAPES, Shape
from pipelines.planning.machines import Machine, Work, machines
from transforms.files import CorpusFile
from transforms.reading.corpus import Corpus
from transforms.reading.units import unit_bytes_of


@dataclass(frozen=True)
class Costs:
    """What a run costs beside its work, each in seconds or in requests.

    Attributes:
        request: Seconds of a request to a bucket. Assumed: 40 ms, as `benchmarks.planning` delays
            those to its emulator.
        requests_a_file: To plan a file and find its columns. Counted by `benchmarks.planning`.
        waiting: Requests that planning has under way at once.
        submit: From the plan to a job that is accepted. Measured in front of the Dataflow stub,
            with an image.
        boot_spread: Seconds over which machines come up after the first. Assumed.
        process_start: Imports, weights from a bucket, a first micro-batch. Measured locally, twice
            the 2.5 s of the README for a model of 90 MB from a bucket.
        requests_a_unit: Of a unit, one after another: is any of it done, open its file, store a
            part, store its record. Counted.
        requests_a_part: To publish a part: its record is read, it is copied, and a hundred are
            removed at a time. Counted by `benchmarks.planning`.
        publishing: Requests that publishing has under way at once.
        chunk: Seconds of work after which a part is stored, which are lost when a process dies
            (`transforms.writing.chunk`).
        noticed: Seconds until a runner notices that a process died. Assumed.
        spread: Standard deviation of the logarithm of the machines' speeds. Assumed: neighbours.
        straggler: How many times slower the slowest machine is. Assumed.
    """

    request: float = 0.04
    requests_a_file: float = 1.0
    waiting: int = 32
    submit: float = 10.0
    boot_spread: float = 60.0
    process_start: float = 5.0
    requests_a_unit: float = 5.0
    requests_a_part: float = 2.01
    publishing: int = 32
    chunk: float = 300.0
    noticed: float = 60.0
    spread: float = 0.05
    straggler: float = 3.0


COSTS = Costs()

_BEFORE = replace(
    COSTS,
    requests_a_file=6.3,  # each file was opened for each of what was looked for
    waiting=16,
    requests_a_part=3.25,  # a copy, a listing and a removal, and four for a record, 16 at once
    publishing=1,
)
"""What was counted and measured before anything was changed because of it."""

_WORKERS = (1, 10, 100, 1000)
_SEED = 0
_TEXT_BYTES = 250  # of a row, and its tokens, as in AG News
_TEXT_TOKENS = 44
_FILE_BYTES = 10 << 20
_THREADS = 4  # of a process with a GPU


@dataclass(frozen=True)
class Scene:
    """A run.

    Attributes:
        size: Bytes of its input.
        files: Its files.
        unit_bytes: Bytes of a unit.
        bytes_per_second: How fast it goes through one of them.
        slots: Units that a machine works on at a time, each as fast: one a process, and some a GPU,
            whose threads wait for a bucket in turn.
        boot: Seconds until a machine is up.
    """

    size: int
    files: int
    unit_bytes: int
    bytes_per_second: float
    slots: int
    boot: float

    @property
    def units(self) -> list[int]:
        """Bytes of each unit."""
        count = max(1, math.ceil(self.size / self.unit_bytes))
        return [self.unit_bytes] * (count - 1) + [self.size - self.unit_bytes * (count - 1)]


@dataclass(frozen=True)
class Outcome:
    """Seconds of each step of a run, one after another.

    Attributes:
        planning: Listing and looking at files.
        start: From the job to the first row.
        work: As if the work were evenly spread over machines of equal speed.
        tail: What the workers wait for the last of them, from its even share on.
        publishing: Publishing.
    """

    planning: float
    start: float
    work: float
    tail: float
    publishing: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.planning + self.start + self.work + self.tail + self.publishing

    @property
    def bottleneck(self) -> str:
        """The longest step beside the work, if it takes more than a tenth of it; else the work."""
        others = {name: value for name, value in vars(self).items() if name != "work"}
        longest = max(others, key=lambda name: others[name])
        return longest if others[longest] > 0.1 * self.work else "work"


def simulate(
    scene: Scene, workers: int, costs: Costs = COSTS, *, straggles: bool = False, dies: bool = False
) -> Outcome:
    """Returns how long a run takes.

    Args:
        scene: The run.
        workers: Machines.
        costs: What it costs beside its work.
        straggles: Whether one machine is slower than all others.
        dies: Whether one machine dies when half of the work is done.
    """
    planning = costs.request * costs.requests_a_file * scene.files / costs.waiting
    units = scene.units
    ends, begun = _work(scene, units, workers, costs, straggles, dies)
    start = costs.submit + begun
    even = scene.size / (scene.bytes_per_second * scene.slots * workers)
    tail = max(0.0, ends - begun - even)
    # A part a unit, or one a chunk where that takes longer.
    parts = sum(max(1, math.ceil(size / scene.bytes_per_second / costs.chunk)) for size in units)
    publishing = costs.request * costs.requests_a_part * parts / costs.publishing
    return Outcome(planning, start, even, tail, publishing)


def _work(
    scene: Scene,
    units: Sequence[float],
    workers: int,
    costs: Costs,
    straggles: bool,
    dies: bool,
) -> tuple[float, float]:
    """Hands units out; returns when the last is done, and when the first process was ready."""
    generator = np.random.default_rng(_SEED)
    speeds = np.exp(generator.normal(0, costs.spread, workers))
    speeds *= workers / speeds.sum()
    if straggles:
        speeds[0] /= costs.straggler
    ups = scene.boot + costs.process_start + np.linspace(0, costs.boot_spread, workers)
    if workers == 1:
        ups = ups[:1]
    free = [(float(up), machine) for machine, up in enumerate(ups) for _ in range(scene.slots)]
    heapq.heapify(free)
    overhead = costs.requests_a_unit * costs.request
    even = scene.size / (scene.bytes_per_second * scene.slots * workers)
    death = float(ups[0]) + even / 2 if dies else math.inf
    left: list[float] = list(reversed(units))
    again: list[float] = []  # what is left of units of a machine that died
    back = death + costs.noticed
    done = 0.0
    while left or again:
        now, machine = heapq.heappop(free)
        if left:
            size = left.pop()
        else:
            size, now = again.pop(), max(now, back)
        rate = scene.bytes_per_second * speeds[machine]
        end = now + overhead + size / rate
        if machine == workers - 1 and now < death < end:
            stored = (death - now) // costs.chunk * costs.chunk * rate
            again.append(size - stored)
            # Another one takes its place.
            heapq.heappush(free, (back + scene.boot + costs.process_start, machine))
            continue
        done = max(done, end)
        heapq.heappush(free, (end, machine))
    return done, float(ups[0])


def scene_of(size: int, shape: Shape, machine: Machine, unit_bytes: int | None = None) -> Scene:
    """Returns a run over texts like those of AG News, in files of 10 MiB.

    Args:
        size: Bytes of the input.
        shape: The model.
        machine: Each of the workers.
        unit_bytes: Bytes that a unit has at most; what a run would choose if None. It has as many
            whole files as fit.
    """
    rows = size / _TEXT_BYTES
    tokens = rows * _TEXT_TOKENS
    operations = shape.operations(tokens, rows * _TEXT_TOKENS**2)
    work = Work(rows, tokens, tokens, operations, shape.hidden_dim, "wordpiece", "auto")
    took = machine.seconds(work)
    assert took is not None
    slots = machine.slots * (_THREADS if machine.accelerators else 1)
    files = max(1, size // _FILE_BYTES)
    corpus = Corpus((), "text", None, False, files=(CorpusFile("", size),))
    most = unit_bytes or unit_bytes_of(corpus)
    return Scene(
        size,
        files,
        most // _FILE_BYTES * _FILE_BYTES or most,
        size / took[0] / slots,
        slots,
        machine.start_seconds - COSTS.process_start,
    )


def main() -> None:
    """Prints the tables of docs/scaling.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gb", type=float, default=100)
    parser.add_argument("--model", choices=SHAPES, default="minilm")
    parser.add_argument(
        "--machine", choices=[machine.name for machine in machines()], default="n2-standard-8"
    )
    args = parser.parse_args()
    machine = next(machine for machine in machines() if machine.name == args.machine)
    size, shape = int(args.gb * 1e9), SHAPES[args.model]
    ways = {
        "as it was: units of up to 256 MiB, six requests a file, parts one after another": (
            scene_of(size, shape, machine, min(max(size // 64, 8 << 20), 256 << 20)),
            _BEFORE,
        ),
        "as it is": (scene_of(size, shape, machine), COSTS),
    }
    for title, (scene, costs) in ways.items():
        print(f"\n{title}: {len(scene.units):,} units of {scene.unit_bytes / 2**20:.0f} MiB\n")
        _print_table(scene, costs)


def _print_table(scene: Scene, costs: Costs) -> None:
    print(
        "| workers | planning | start | work | waiting for the last | publishing | in all |"
        " of the ideal | bottleneck | with a straggler | with a death |"
    )
    print("|" + "---|" * 11)
    for workers in _WORKERS:
        found = simulate(scene, workers, costs)
        slow = simulate(scene, workers, costs, straggles=True).total
        died = simulate(scene, workers, costs, dies=True).total
        steps = (found.planning, found.start, found.work, found.tail, found.publishing, found.total)
        cells = " | ".join(_time(step) for step in steps)
        more = " | ".join(
            f"+{_time(other - found.total)}" if workers > 1 else "–" for other in (slow, died)
        )
        print(
            f"| {workers:,} | {cells} | {found.work / found.total:.0%} | {found.bottleneck} | "
            f"{more} |"
        )


def _time(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    main()
