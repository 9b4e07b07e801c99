"""Trainings ask for large pages of memory, and get them where the kernel gives them on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from limner.cli import app, huge_pages

_MOST = 32 << 10  # KiB: most of 64 MiB
_ASKS = """
import mmap, os
from limner.cli.huge_pages import ask_for_huge_pages

def held():
    return next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages"))

print(os.getpid(), flush=True)
ask_for_huge_pages()
print(os.environ.get("GLIBC_TUNABLES"))
before = held()
asked = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
asked.madvise(mmap.MADV_HUGEPAGE)
for at in range(0, 64 << 20, 4096):
    asked[at] = 1
print(held() - before)
asked.close()
before = held()
large = bytearray(64 << 20)
print(held() - before)
"""


def _said(told: str | None) -> list[str]:
    """What a program that asks prints, with GLIBC_TUNABLES as they are told to it: its process id at each start, the
    tunables, and how many KiB of large pages it got by asking for these alone and by a large array."""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    if told is not None:
        environment["GLIBC_TUNABLES"] = told
    done = subprocess.run([sys.executable, "-c", _ASKS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not huge_pages._on_request(), reason="this kernel gives no large pages on request")
@pytest.mark.parametrize("told", [None, "glibc.malloc.check=0"])
def test_a_program_starts_again_in_its_own_place_with_large_pages(told: str | None) -> None:
    before, after, tunables, to_be_had, size = _said(told)
    assert before == after
    assert tunables.split(":") == [*([told] if told else []), "glibc.malloc.hugetlb=1"]
    if int(to_be_had) < _MOST:
        pytest.skip("the memory of this machine is in too small pieces for large pages")
    assert int(size) >= _MOST


def test_what_the_environment_says_stays() -> None:
    assert len(_said("glibc.malloc.hugetlb=0")) == 4  # it did not start again


def test_it_does_nothing_where_pages_are_not_given_on_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("started again"))
    for enabled in ("[always] madvise never", "always madvise [never]", None):
        file = tmp_path / "enabled"
        file.unlink(missing_ok=True)
        if enabled is not None:
            file.write_text(enabled, encoding="ascii")
        monkeypatch.setattr(huge_pages, "_ENABLED", file)
        huge_pages.ask_for_huge_pages()
        assert "GLIBC_TUNABLES" not in os.environ


@pytest.mark.parametrize(("verb", "asks"), [("train", True), ("distill", True), ("draw", False)])
def test_trainings_ask(verb: str, asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(sys, "argv", ["limner", verb, "--help"])
    monkeypatch.setattr(app, "ask_for_huge_pages", lambda: asked.append(True))
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 0 and bool(asked) == asks
