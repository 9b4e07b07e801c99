"""Pages of mapped files: given back, they count no more, and say what they said."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from limner.engine.backends.pages import given_back

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what it holds")


def held(file: Path) -> int:
    """Kilobytes of a mapped file that this process holds."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return sum(
        int(next(line for line in lines if line.startswith("Rss:")).split()[1])
        for line in lines
        if line.endswith(str(file))
    )


def test_what_was_read_is_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    inside, outside = tmp_path / "a" / "file", tmp_path / "ab" / "file"
    for file in (inside, outside):
        file.parent.mkdir()
        file.write_bytes(bytes(range(256)) * 4096)
    mapped = [np.memmap(file, np.uint8, "c") for file in (inside, outside)]
    sums = [int(each.sum()) for each in mapped]
    assert held(inside) >= 1000 and held(outside) >= 1000
    with given_back(tmp_path / "a"):
        pass
    assert held(inside) == 0 and held(outside) >= 1000
    assert [int(each.sum()) for each in mapped] == sums
