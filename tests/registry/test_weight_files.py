"""Rewriting a weights file: other numbers in the same places."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from limner.errors import InvalidInput
from limner.registry.weight_files import Written, read_index, rewrite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tensors = {"b": torch.randn(3, 2), "a": torch.randn(5).half(), "c": torch.randn(2, 2, 2)}
    save_file(tensors, tmp_path / "a.safetensors", {"format": "pt"})
    return tmp_path / "a.safetensors"


def _written(value: torch.Tensor) -> Written:
    return Written("F32", tuple(value.shape), lambda: iter([value.numpy().tobytes()]))


def test_other_numbers_in_the_same_places(file: Path) -> None:
    new = torch.randn(3, 2)
    target = file.with_name("b.safetensors")
    rewrite(file, target, {"b": _written(new)})
    before, after = load_file(file), load_file(target)
    assert torch.equal(after["b"], new) and torch.equal(after["a"], before["a"])
    assert torch.equal(after["c"], before["c"]) and read_index(target) == read_index(file)
    rewrite(file, target, {})
    assert target.read_bytes() == file.read_bytes()


def test_what_does_not_fit_is_named_and_nothing_is_written(file: Path) -> None:
    target = file.with_name("b.safetensors")
    for name, value in (("b", torch.zeros(2, 3)), ("d", torch.zeros(1)), ("a", torch.zeros(5))):
        with pytest.raises(InvalidInput, match=f"no tensor '{name}'"):
            rewrite(file, target, {name: _written(value)})
    with pytest.raises(InvalidInput, match="has 4 bytes"):
        rewrite(file, target, {"b": Written("F32", (3, 2), lambda: iter([b"1234"]))})
    assert not target.exists()
