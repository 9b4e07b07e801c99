"""What the figures were measured on: processor, cores, load, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

LIBRARIES = ("openvino", "numpy", "torch", "diffusers", "transformers")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> list[str]:
    """Lines for the top of the table."""
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)))
    return [
        f"machine: {_processor()}, {cores()} cores{load}; {platform.system()} {platform.release()}",
        f"versions: Python {platform.python_version()}, {versions}",
        f"commit: {_commit()}",
    ]


def busy() -> bool:
    """Whether other processes use more than a quarter of a core, watched for a second."""

    def used() -> float:
        times = psutil.cpu_times()
        return float(times.user + times.system + getattr(times, "nice", 0.0))

    own = psutil.Process()
    before, mine = used(), sum(own.cpu_times()[:2])
    time.sleep(1.0)
    others = (used() - before) - (sum(own.cpu_times()[:2]) - mine)
    return bool(others > 0.25)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=60
        )
        return done.stdout.strip()

    try:
        commit, changed = git("rev-parse", "--short=12", "HEAD"), git("status", "--porcelain", "-uno")
    except OSError:
        return "unknown"
    return (commit or "unknown") + (" with uncommitted changes" if changed else "")
