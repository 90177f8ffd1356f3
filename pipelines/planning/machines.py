"""What machines compute in a second, and how long they take for a run.

`machines.json` beside this module has them: the speed of a core or a GPU in a model's numbers, by
the width of the model, with where it is from; and machines made of these.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import UserError, did_you_mean
from models.inference.precision import Precision

_FILE = Path(__file__).with_name("machines.json")

# What a precision is on a GPU, and what comes first on a processor.
_ON_A_GPU = {"auto": "float16", "fast": "float16", "float16": "float16"}
_ON_A_PROCESSOR = {"auto": ["float32"], "fast": ["int8", "bfloat16", "float32"]}


@dataclass(frozen=True)
class Work:
    """What a run computes.

    Attributes:
        rows: Rows, of which some are the same text; each is counted.
        tokens: Tokens that are made of them.
        computed: Tokens that the model reads.
        operations: Floating-point operations of the model.
        hidden_dim: Width of a token's vector.
        tokenizer: The kind of the tokenizer.
        precision: What the model computes in.
    """

    rows: float
    tokens: float
    computed: float
    operations: float
    hidden_dim: int
    tokenizer: str
    precision: Precision


@dataclass(frozen=True)
class Speed:
    """How fast one core or one GPU is.

    Attributes:
        source: Where the numbers are from.
        operations: Floating-point operations a second by precision, and by width of the model.
    """

    source: str
    operations: Mapping[str, Mapping[int, float]]

    def at(self, precision: str, hidden_dim: int) -> float:
        """Returns the operations a second of a model; between two widths, in proportion.

        Args:
            precision: What it computes in, of those in `operations`.
            hidden_dim: Its width: a wider one than is known is taken to be as fast as the widest, a
                narrower one to be slower as the narrowest two are.
        """
        known = sorted(self.operations[precision].items())
        if hidden_dim >= known[-1][0] or len(known) == 1:
            return known[-1][1]
        after = max(1, next(n for n, (width, _) in enumerate(known) if width > hidden_dim))
        (width, speed), (wider, faster) = known[after - 1 : after + 1]
        share = math.log(hidden_dim / width) / math.log(wider / width)
        return float(speed * (faster / speed) ** share)


@dataclass(frozen=True)
class Host:
    """What a core does beside the model.

    Attributes:
        source: Where the numbers are from.
        rows_per_second: Rows that it reads and writes.
        tokens_per_second: Tokens that it makes, by kind of tokenizer.
        process_seconds_per_row: What Python does of a row, on one core of a process at a time.
    """

    source: str
    rows_per_second: float
    tokens_per_second: Mapping[str, float]
    process_seconds_per_row: float

    def seconds(self, work: Work) -> float:
        """Returns the seconds that one core takes to read, tokenize and write."""
        made = work.tokens / self.tokens_per_second[work.tokenizer]
        return work.rows / self.rows_per_second + made


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        name: What a provider calls it.
        vcpus: Its virtual processors.
        cores: As many of the cores that `Host` was measured on; of those of `speed`, where it has
            no GPU.
        speed: That of a core, or of a GPU.
        host: What a core does beside the model.
        is_measured: Whether its speed was measured on it, rather than derived from another's.
        accelerators: Its GPUs.
        processes: Processes that work there, if not one a GPU or core.
        start_seconds: From its order to its first row: assumed.
    """

    name: str
    vcpus: int
    cores: float
    speed: Speed
    host: Host
    is_measured: bool = False
    accelerators: int = 0
    processes: int = 0
    start_seconds: float = 0

    @property
    def slots(self) -> int:
        """Units that it works on at a time: one a process, of which there is one a GPU or core."""
        return self.processes or self.accelerators or self.vcpus

    def precision(self, work: Work) -> str | None:
        """Returns what a model computes in; None if its speed in that is not known."""
        if self.accelerators:
            found = _ON_A_GPU.get(work.precision)
            return found if found in self.speed.operations else None
        asked = _ON_A_PROCESSOR.get(work.precision, [work.precision])
        return next((name for name in asked if name in self.speed.operations), None)

    def seconds(self, work: Work) -> tuple[float, str] | None:
        """Returns how long it takes for all of a run, and what bounds it.

        Beside a GPU, cores read and tokenize meanwhile; without one, they do both in turn.

        Returns:
            Seconds without the start, and `model`, `tokenizing` or `python`; None if its speed is
            not known.
        """
        precision = self.precision(work)
        if precision is None:
            return None
        speed = self.speed.at(precision, work.hidden_dim)
        beside = self.host.seconds(work) / self.cores
        if not self.accelerators:
            model = work.operations / (speed * self.cores)
            return model + beside, "model" if model >= beside else "tokenizing"
        in_python = work.rows * self.host.process_seconds_per_row / self.accelerators
        bounds = {
            "model": work.operations / (speed * self.accelerators),
            "tokenizing": beside,
            "python": in_python,
        }
        bound = max(bounds, key=lambda name: bounds[name])
        return bounds[bound], bound


@functools.cache
def machines() -> tuple[Machine, ...]:
    """Returns the machines that are known."""
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    host = Host(**content["host"])
    speeds = {
        name: Speed(
            found["source"],
            {
                precision: {int(width): speed for width, speed in by_width.items()}
                for precision, by_width in found["operations_per_second"].items()
            },
        )
        for name, found in content["speeds"].items()
    }
    return tuple(
        Machine(host=host, **{**machine, "speed": speeds[machine["speed"]]})
        for machine in content["machines"]
    )


@dataclass(frozen=True)
class Offer:
    """What a machine would do of a run.

    Attributes:
        machine: It.
        precision: What the model computes in.
        seconds: How long one of them works.
        bound: What bounds it.
        num_units: Units that the work is cut into.
        workers: How many make the deadline, if there is one and they can.
        cost: What all of them cost, if the price is known.
    """

    machine: Machine
    precision: str
    seconds: float
    bound: str
    num_units: int
    workers: int | None = None
    cost: float | None = None

    def elapsed(self, workers: int) -> float:
        """Returns the seconds until some workers are done, from their order on.

        The last to be done have a unit more than others where units do not divide evenly.
        """
        slots = self.machine.slots
        rounds = math.ceil(math.ceil(self.num_units / workers) / slots)
        return self.machine.start_seconds + rounds * slots * self.seconds / self.num_units

    def workers_for(self, deadline: float) -> int | None:
        """Returns how many workers make a deadline, in seconds; None if no number does."""
        left = deadline - self.machine.start_seconds
        if left <= 0:
            return None
        workers = max(1, math.ceil(self.seconds / left))
        while workers < self.num_units and self.elapsed(workers) > deadline:
            workers += 1
        return workers if self.elapsed(workers) <= deadline else None


def offers(
    work: Work, num_units: int, deadline: float | None, prices: Mapping[str, float]
) -> list[Offer]:
    """Returns what each machine would do, those whose speed is known.

    Args:
        work: The run.
        num_units: Units that the work is cut into, at least one.
        deadline: Seconds that it may take.
        prices: What an hour of a machine costs, by name, of those that `check_prices` allows.
    """
    found = []
    for machine in machines():
        took = machine.seconds(work)
        precision = machine.precision(work)
        if took is None or precision is None:
            continue
        seconds, bound = took
        offer = Offer(machine, precision, seconds, bound, num_units)
        workers = None if deadline is None else offer.workers_for(deadline)
        cost = None
        if machine.name in prices:
            count = workers or 1
            cost = prices[machine.name] * count * offer.elapsed(count) / 3600
        found.append(replace(offer, workers=workers, cost=cost))
    return found


def check_prices(prices: Mapping[str, float]) -> None:
    """Raises `UserError` for a machine that is not known."""
    known: Sequence[str] = [machine.name for machine in machines()]
    for name in prices:
        if name not in known:
            raise UserError(
                f"--price={name}=… is of a machine whose speed is not known; "
                f"{did_you_mean(name, known)}known are {', '.join(known)}"
            )
