"""What this machine's processor can compute in one instruction."""

import functools
from pathlib import Path

_DESCRIPTION = Path("/proc/cpuinfo")


@functools.cache
def _flags() -> frozenset[str]:
    """Returns Linux's names of the processor's features; none on another system."""
    try:
        text = _DESCRIPTION.read_text()
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    flags = (value.split() for name, _, value in lines if name.strip() in ("flags", "Features"))
    return frozenset(next(flags, []))


def has_int8_products() -> bool:
    """Returns whether it multiplies and adds integers of 8 bits in one instruction."""
    return not _flags().isdisjoint({"avx512_vnni", "amx_int8"})


def has_bfloat16_products() -> bool:
    """Returns whether it multiplies and adds numbers of bfloat16 in one instruction."""
    return not _flags().isdisjoint({"avx512_bf16", "amx_bf16"})


def has_float16_products() -> bool:
    """Returns whether it multiplies and adds numbers of float16 in one instruction."""
    return not _flags().isdisjoint({"avx512_fp16", "amx_fp16"})
