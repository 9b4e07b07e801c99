"""What is made once and kept: as it was, in whatever order it lay in memory, until it is made from something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limner.families.diffusion.kept import Arrays, kept


def test_it_is_made_once_for_a_mark(tmp_path: Path) -> None:
    made = []

    def make() -> Arrays:
        made.append(1)
        rows = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
        return {"rows": rows.transpose(0, 2, 1) * len(made)}  # not in the order of its shape

    first = kept(tmp_path / "rows", "a", make)["rows"]
    again = kept(tmp_path / "rows", "a", make)["rows"]
    assert first.shape == (2, 4, 3) and first[1, 2].tolist() == [14, 18, 22]
    assert np.array_equal(first, again) and len(made) == 1
    other = kept(tmp_path / "rows", "b", make)["rows"]
    assert np.array_equal(other, 2 * first) and len(made) == 2
