"""Pages of mapped files: given back, they count no more, and say what they said."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from limner.engine.backends.pages import _PAGEOUT, given_back

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what it holds")


def held(file: Path) -> int:
    """Kilobytes of a mapped file that this process holds."""
    lines = iter(Path("/proc/self/smaps").read_text("utf-8").splitlines())
    return sum(
        int(next(line for line in lines if line.startswith("Rss:")).split()[1])
        for line in lines
        if line.endswith(str(file))
    )


def written(file: Path) -> Path:
    """A file of a megabyte, on its disk: what is still to be written is not given back."""
    file.parent.mkdir()
    with file.open("wb") as out:
        out.write(bytes(range(256)) * 4096)
        out.flush()
        os.fsync(out.fileno())
    return file


@pytest.fixture
def _one_core() -> Iterator[None]:
    """Linux collects new pages core by core before it can give them back, and an advice reaches one core's only."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def _heeded(_one_core: None, tmp_path: Path) -> None:
    """Skips where the kernel knows no such advice, or the files are in memory alone, as those of tmpfs are."""
    file = written(tmp_path / "probe" / "file")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[::4096]) == 0 and held(file) >= 1000
        try:
            mapped.madvise(_PAGEOUT)
        except OSError as error:
            pytest.skip(f"the kernel does not know the advice: {error}")
        if held(file):
            pytest.skip("pages of this file system are not given back on advice")


@pytest.mark.usefixtures("_heeded")
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
