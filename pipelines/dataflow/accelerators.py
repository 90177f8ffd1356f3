"""What `--accelerator` becomes: machines of Dataflow with a GPU each, and one process on each.

Google's pages on GPUs in Dataflow ask for a worker pool with the accelerator where every step is
fused, and for no resource hints beside it: of the two, a job has one.
"""

import argparse
import fnmatch
from dataclasses import dataclass

from models.errors import UserError, did_you_mean

# Newer drivers than the default's; what CUDA 12 needs.
_DRIVER = "install-nvidia-driver:5xx"

# GB: an image with CUDA's libraries takes some ten, unpacked beside what was pulled.
_DISK_GB = 50

_SINGLE_PROCESS = "no_use_multiple_sdk_containers"
_PROCESS_CHOICES = (_SINGLE_PROCESS, "use_multiple_sdk_containers")

_OPTION = "worker_accelerator"
_G2 = (*(f"g2-standard-{cores}" for cores in (4, 8, 12, 16, 32)), "g2-custom-*")
_N1 = ("n1-*", "custom-*")


@dataclass(frozen=True)
class Machines:
    """The machines that a type of accelerator is sold with.

    Attributes:
        default: The machine type with one accelerator that is taken.
        fitting: All types with one, as patterns with asterisks.
        threads: How many units of input a process works on at a time. All share one model; while
            one waits for the GPU, others read, tokenize and write. Past eight, Python's own lock
            leaves them no more.
    """

    default: str
    fitting: tuple[str, ...]
    threads: int


# https://cloud.google.com/compute/docs/gpus
MACHINES = {
    "nvidia-l4": Machines("g2-standard-4", _G2, 4),
    "nvidia-tesla-t4": Machines("n1-standard-4", _N1, 4),
    "nvidia-tesla-v100": Machines("n1-standard-8", _N1, 8),
    "nvidia-tesla-a100": Machines("a2-highgpu-1g", ("a2-highgpu-1g",), 8),
    "nvidia-a100-80gb": Machines("a2-ultragpu-1g", ("a2-ultragpu-1g",), 8),
    "nvidia-h100-80gb": Machines("a3-highgpu-1g", ("a3-highgpu-1g",), 8),
}
"""By what Compute Engine calls the accelerator."""


@dataclass(frozen=True)
class Accelerator:
    """A GPU for every worker.

    Attributes:
        kind: A key of `MACHINES`.
    """

    kind: str

    @classmethod
    def parse(cls, value: str) -> "Accelerator":
        """Returns what `TYPE[:COUNT]` names; for `type=` of a flag."""
        kind, _, count = value.partition(":")
        if kind not in MACHINES:
            raise argparse.ArgumentTypeError(
                f"{kind!r} is not a type that Textbeam knows; {did_you_mean(kind, MACHINES)}"
                f"the types are {', '.join(MACHINES)}"
            )
        if count not in ("", "1"):
            raise argparse.ArgumentTypeError(
                f"must be {kind} or {kind}:1, not {value!r}: one process works on a machine, and "
                "it computes on one GPU; more of them are more machines, --max_num_workers"
            )
        return cls(kind)

    def __str__(self) -> str:
        return f"{self.kind}:1"


def pool_flags(accelerator: Accelerator, given: argparse.Namespace) -> list[str]:
    """Returns options of Beam that ask for the accelerator, besides those that the user gave.

    Args:
        accelerator: The accelerator.
        given: Beam's options as the user gave them.

    Raises:
        UserError: They ask for another accelerator, for a machine that it is not sold with, or for
            no image.
    """
    machines = MACHINES[accelerator.kind]
    _check_nothing_beside(accelerator, given)
    if not given.sdk_container_image:
        raise UserError(
            f"--accelerator={accelerator} needs an image in which CUDA's libraries and this "
            "program are installed: build one with deploy/, and give it as --sdk_container_image"
        )
    if given.machine_type and not _fits(given.machine_type, machines):
        raise UserError(
            f"--machine_type={given.machine_type} is not sold with one {accelerator.kind}: leave "
            f"it out for {machines.default}, or give one of {', '.join(machines.fitting)}"
        )
    service = f"{_OPTION}=type:{accelerator.kind};count:1;{_DRIVER}"
    flags = [f"--dataflow_service_options={service}"]
    if not given.machine_type:
        flags.append(f"--machine_type={machines.default}")
    if not given.disk_size_gb:
        flags.append(f"--disk_size_gb={_DISK_GB}")
    if not given.number_of_worker_harness_threads:
        flags.append(f"--number_of_worker_harness_threads={machines.threads}")
    if not any(experiment in _PROCESS_CHOICES for experiment in given.experiments or ()):
        flags.append(f"--experiments={_SINGLE_PROCESS}")
    return flags


def _fits(machine_type: str, machines: Machines) -> bool:
    return any(fnmatch.fnmatchcase(machine_type, pattern) for pattern in machines.fitting)


def _check_nothing_beside(accelerator: Accelerator, given: argparse.Namespace) -> None:
    """Raises `UserError` if the options ask for an accelerator in another way too."""
    for flag, values in (
        ("--dataflow_service_options", given.dataflow_service_options),
        ("--experiments", given.experiments),
    ):
        if any(value.startswith(_OPTION) for value in values or ()):
            raise UserError(
                f"--accelerator={accelerator} and {flag}={_OPTION}=… ask for the same: give one "
                "of them"
            )
    if hints := given.resource_hints:
        raise UserError(
            f"--accelerator={accelerator} and --resource_hint={hints[0]} exclude each other: "
            "leave the hint out, since every step runs on machines with the GPU"
        )
