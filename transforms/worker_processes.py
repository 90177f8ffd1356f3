"""The worker processes of a machine, as far as Beam's options tell of them."""

import os
from collections.abc import Mapping
from typing import Any

from apache_beam.options.value_provider import RuntimeValueProvider

_DATAFLOW = ("dataflowrunner", "dataflow")


def hidden_processes() -> int:
    """Returns how many worker processes of this machine may not see each other; 1 if none do.

    Their runner starts each in a container of its own, which has all cores of the machine. Other
    processes find each other (`models.inference.cores`).
    """
    return _hidden_processes(RuntimeValueProvider.runtime_options or {})


def _hidden_processes(options: Mapping[str, Any]) -> int:
    """Returns the number by a worker's options, as its runner hands them over."""
    num_cores = os.cpu_count() or 1
    runner = str(options.get("runner") or "").rpartition(".")[2]
    if runner.lower() in _DATAFLOW:
        # One process a core, unless the job says otherwise.
        is_alone = "no_use_multiple_sdk_containers" in (options.get("experiments") or [])
        return 1 if is_alone else num_cores
    parallelism = str(options.get("sdk_worker_parallelism", ""))
    if not parallelism.isdecimal():
        return 1
    return int(parallelism) or num_cores  # 0 leaves it to the runner
