"""What the processor computes, from the flags that Linux tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.engine.backends.processor import has_bfloat16, sums_bytes_in_16_bits


def _cpuinfo(folder: Path, flags: str) -> Path:
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: x\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("flags", "has"), [("fpu avx512f avx512_bf16 amx", True), ("amx_bf16", True), ("fpu avx512f", False)]
)
def test_bfloat16_is_used_only_where_the_processor_has_it(flags: str, has: bool, tmp_path: Path) -> None:
    assert has_bfloat16(_cpuinfo(tmp_path, flags)) is has
    assert not has_bfloat16(tmp_path / "missing")


@pytest.mark.parametrize(
    ("flags", "narrow"),
    [("sse2 avx2", True), ("sse2 avx512f", True), ("sse2 avx512_vnni", False), ("sse2 avx_vnni", False)],
)
def test_bytes_are_summed_in_16_bits_on_x86_without_vnni(flags: str, narrow: bool, tmp_path: Path) -> None:
    assert sums_bytes_in_16_bits(_cpuinfo(tmp_path, flags)) is narrow


def test_of_another_processor_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: asimd asimddp\n", encoding="utf-8")
    assert not sums_bytes_in_16_bits(tmp_path / "cpuinfo") and not sums_bytes_in_16_bits(tmp_path / "missing")
