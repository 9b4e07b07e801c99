"""How much memory a process takes."""

from __future__ import annotations

import os
from pathlib import Path


def resident(process: int | None = None) -> int | None:
    """Bytes that a process, or this one, has in memory; None where the system does not tell (it is Linux that does)."""
    try:
        told = Path(f"/proc/{process or os.getpid()}/statm").read_text("utf-8")
    except OSError:
        return None
    return int(told.split()[1]) * os.sysconf("SC_PAGE_SIZE")
