"""The machine in words, and the memory that this process has held."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_STATUS = Path("/proc/self/status")


def hardware() -> str:
    """The machine in words."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text("utf-8").splitlines()
            if "model name" in line
        ]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def peak_memory() -> float | None:
    """MB (2^20 bytes) that this process held at most; None where the system does not tell."""
    if not _STATUS.is_file():
        return None
    lines = _STATUS.read_text("utf-8").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)
