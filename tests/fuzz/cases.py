"""All kinds of inputs by name."""

import os
import random
import time
from pathlib import Path

from tests.fuzz.preset_folders import PRESETS
from tests.fuzz.properties import READERS, Case, Outcome

CASES = {case.name: case for case in (*READERS, *PRESETS)}
"""The kinds of inputs."""


def _nothing(folder: Path, chance: random.Random) -> Path:
    return folder


def _die(path: Path) -> Outcome:
    os.abort()


def _hang(path: Path) -> Outcome:
    time.sleep(3600)
    return Outcome()


def _differ(path: Path) -> Outcome:
    return Outcome(rows=time.perf_counter_ns())


def _raise(path: Path) -> Outcome:
    raise KeyError("not a refusal")


FAULTS = {
    case.name: case
    for case in (
        Case("dies", _nothing, _die),
        Case("hangs", _nothing, _hang),
        Case("differs", _nothing, _differ),
        Case("raises", _nothing, _raise),
    )
}
"""Inputs that fail, to show that failures are noticed."""
