"""Reading inputs in a process of their own, whose death is the input's fault.

It takes a line for each input, its case and number, and answers with a line of JSON.
"""

import faulthandler
import json
import logging
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from tests.fuzz.cases import CASES, FAULTS
from tests.fuzz.properties import chance_of, outcome

ADDRESS_BYTES = 24 << 30
_FRAMES = 12


def main(seed: int) -> None:
    """Answers until there are no more lines."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    faulthandler.enable()
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print there
    for line in sys.stdin:
        name, number = line.split()
        answers.write(json.dumps(_answer(seed, name, int(number))) + "\n")
        answers.flush()


def _answer(seed: int, name: str, number: int) -> dict[str, object]:
    case = (CASES | FAULTS)[name]
    start = time.perf_counter()
    failure = ""
    with tempfile.TemporaryDirectory() as folder:
        path = case.make(Path(folder), chance_of(seed, name, number))
        try:
            found = outcome(case.read, path)._asdict()
        except Exception:
            found, failure = {}, traceback.format_exc(-_FRAMES)
    seconds = time.perf_counter() - start
    return {**found, "failure": failure, "seconds": seconds, "peak": _peak()}


def _peak() -> int:
    """Returns the memory at its peak in KiB; Linux adds that of the parent before it started."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # in bytes on macOS


if __name__ == "__main__":
    main(int(sys.argv[1]))
