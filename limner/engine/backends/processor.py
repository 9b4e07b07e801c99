"""What the processor of this machine computes itself, read from Linux; elsewhere nothing is told."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether it multiplies bfloat16 itself; OpenVINO's own answer counts slow emulation too."""
    return bool(_flags(cpuinfo) & {"avx512_bf16", "amx_bf16"})


def sums_bytes_in_16_bits(cpuinfo: Path = CPUINFO) -> bool:
    """Whether products of bytes are summed in pairs in 16 bits, where two large ones do not fit.

    So it is on x86 processors without VNNI (Intel's manual, VPMADDUBSW): sums beyond 32,767 are cut there.
    """
    flags = _flags(cpuinfo)
    return "sse2" in flags and not flags & {"avx512_vnni", "avx_vnni", "amx_int8"}


def _flags(cpuinfo: Path) -> set[str]:
    try:
        return set(cpuinfo.read_text("utf-8").partition("\nflags")[2].partition("\n")[0].split())
    except OSError:
        return set()
