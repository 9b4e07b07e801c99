"""Pages of mapped files: given back, they count no more, and say what they said."""

from __future__ import annotations

import mmap
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


def written(file: Path) -> Path:
    """A file of a megabyte."""
    file.parent.mkdir()
    file.write_bytes(bytes(range(256)) * 4096)
    return file


def test_files_of_a_folder_are_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    inside, outside = written(tmp_path / "a" / "file"), written(tmp_path / "ab" / "file")
    mapped = [np.memmap(file, np.uint8, "r") for file in (inside, outside)]
    sums = [int(each.sum()) for each in mapped]
    assert held(inside) >= 1000 and held(outside) >= 1000
    with given_back(tmp_path / "a"):
        pass
    assert held(inside) == 0 and held(outside) >= 1000
    assert [int(each.sum()) for each in mapped] == sums


def test_what_could_be_written_to_keeps_what_was_written(tmp_path: Path) -> None:
    file = written(tmp_path / "a" / "file")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        mapped[7] = 200
        with given_back(tmp_path / "a"):
            pass
        assert mapped[7] == 200


def test_a_mapped_array_is_given_back_from_within_its_first_page(tmp_path: Path) -> None:
    file = written(tmp_path / "a" / "file")
    array = np.memmap(file, np.uint8, "c", 100)
    total = int(array.sum())
    assert held(file) >= 1000
    with given_back(mapped=array):
        pass
    assert held(file) == 0
    assert int(array.sum()) == total
