"""Compiled forms are read back as they were, without the weights, and only whole ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from limner.engine.backends import compiled
from limner.engine.backends.openvino import OpenVino
from limner.registry.models import open_model

from .test_backends import Floats, make_model, rows


def drawn(folder: Path, cache: Path) -> Floats:
    model = open_model(folder) if folder.exists() else make_model(folder, "bfloat16")
    found: Floats = OpenVino(threads=1, cache=cache).load(model, "unet")({"x": rows(2)})["y"]
    return found


@pytest.fixture
def first(tmp_path: Path) -> Floats:
    """What a model in `m` gives, compiled into `cache`."""
    return drawn(tmp_path / "m", tmp_path / "cache")


def test_what_was_compiled_is_read_without_the_weights(first: Floats, tmp_path: Path) -> None:
    weights = tmp_path / "m" / "weights"
    stat = weights.stat()
    weights.write_bytes(bytes(stat.st_size))
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert np.array_equal(drawn(tmp_path / "m", tmp_path / "cache"), first)


@pytest.mark.parametrize("harm", ["shorter", "no end", "other bytes", "no note"])
def test_what_is_not_whole_is_compiled_again(
    harm: str, first: Floats, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (blob,) = (tmp_path / "cache").rglob("*.blob")
    os.chmod(blob, 0o644)
    size = blob.stat().st_size
    match harm:
        case "shorter":
            os.truncate(blob, size // 2)
        case "no end":
            (blob.parent / "whole.json").unlink()
        case "other bytes":
            blob.write_bytes(b"?" * size)
        case _:
            (blob.parent / "whole.json").write_text("{")
    assert np.array_equal(drawn(tmp_path / "m", tmp_path / "cache"), first)
    assert ("compiled again" in caplog.text) == (harm in ("other bytes", "no note"))
    (blob,) = (tmp_path / "cache").rglob("*.blob")
    assert blob.stat().st_size == size and (blob.parent / "whole.json").is_file()


def test_a_large_form_is_read_back_at_once(
    first: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_LARGE", 1)
    assert np.array_equal(drawn(tmp_path / "n", tmp_path / "other"), first)
