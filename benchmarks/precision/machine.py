"""What a figure depends on: the processor, and the versions of libraries."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.inference import cores

OURS = ("tensorflow", "keras", "numpy", "apache-beam", "pyarrow")
RIVALS = ("onnxruntime", "openvino", "nncf", "tokenizers", "numpy")

_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni")


def machine() -> dict[str, Any]:
    """Returns the processor's name, the cores that may be used, what it can do, and its load."""
    name, flags = platform.processor(), list[str]()
    path = Path("/proc/cpuinfo")
    if path.is_file():
        lines = (line.partition(":") for line in path.read_text().splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name = fields.get("model name", name)
        known = fields.get("flags", "").split()
        flags = [flag for flag in known if flag in _FLAGS or flag.startswith("amx_")]
    return {
        "processor": name,
        "cores": cores.own(),
        "flags": sorted(flags),
        "load": os.getloadavg()[0],
    }


def versions(rival_python: str | None) -> dict[str, dict[str, str]]:
    """Returns the versions of libraries in this environment, and in that of the rivals."""
    found = {"textbeam": _versions(sys.executable, OURS)}
    if rival_python:
        found["rivals"] = _versions(rival_python, RIVALS)
    return found


def _versions(python: str, packages: Sequence[str]) -> dict[str, str]:
    code = (
        "import json, sys, platform\n"
        "from importlib.metadata import version\n"
        "found = {'python': platform.python_version()}\n"
        "print(json.dumps(found | {name: version(name) for name in sys.argv[1:]}))"
    )
    return json.loads(subprocess.check_output([python, "-c", code, *packages], text=True))
