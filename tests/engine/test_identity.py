from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from limner.engine.identity import identity
from limner.registry.stamps import stamp


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "limner.json").write_text("{}", encoding="utf-8")
    (folder / "unet" / "weights.safetensors").write_bytes(b"one")
    return folder


def replace(file: Path, data: bytes) -> None:
    """Put other bytes in the place of a file, of the same time."""
    old = file.stat()
    new = file.with_suffix(".new")
    new.write_bytes(data)
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    os.replace(new, file)


def test_it_stays_as_long_as_the_files_do(model: Path) -> None:
    assert stamp(model) == stamp(model)


def test_a_replaced_file_of_the_same_size_and_time_is_another(model: Path) -> None:
    before = stamp(model)
    replace(model / "unet" / "weights.safetensors", b"two")
    assert stamp(model) != before


@pytest.mark.parametrize("change", ["more", "less", "renamed"])
def test_other_files_are_another(model: Path, change: str) -> None:
    before, weights = stamp(model), model / "unet" / "weights.safetensors"
    if change == "more":
        (model / "unet" / "int8.json").write_text("{}", encoding="utf-8")
    elif change == "less":
        weights.unlink()
    else:
        weights.rename(model / "weights.safetensors")
    assert stamp(model) != before


def test_a_copy_is_another(model: Path, tmp_path: Path) -> None:
    assert stamp(shutil.copytree(model, tmp_path / "copy")) != stamp(model)


def test_what_is_said_of_a_model_is_no_part_of_it(model: Path) -> None:
    before = stamp(model)
    for name in ("card.json", "card.html", "README.md"):
        (model / name).write_text("good", encoding="utf-8")
    assert stamp(model) == before


def test_the_backend_is_part_of_what_draws() -> None:
    assert identity("a", "openvino@cpu") == identity("a", "openvino@cpu")
    assert (
        len({identity("a", "openvino@cpu"), identity("b", "openvino@cpu"), identity("a", "torch@cuda")}) == 3
    )
