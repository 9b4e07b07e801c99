"""The cache of arrays: what was put is found, in part too, and other parts have other keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.errors import Unavailable
from limner.training.cache import ArrayCache, file_hash, key_of


def test_what_was_put_is_found_by_a_later_run(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float16).reshape(3, 4)
    ArrayCache(tmp_path).put(key_of("a", 1), array)
    again = ArrayCache(tmp_path)
    assert key_of("a", 1) in again and (again[key_of("a", 1)] == array).all()
    assert again.missing([key_of("b"), key_of("a", 1), key_of("b")]) == [key_of("b")]
    assert not list(tmp_path.rglob("*.partial"))


def test_keys_tell_their_parts_apart() -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("ab", "c", None), key_of(1), key_of("1")}) == 5


def test_a_hash_is_of_what_a_file_holds(tmp_path: Path) -> None:
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    a, b, c = (file_hash(tmp_path / name) for name in "abc")
    assert a == b != c


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Unavailable, match=r"cannot write .*file"):
        ArrayCache(tmp_path / "file").put(key_of(1), np.zeros(1))
