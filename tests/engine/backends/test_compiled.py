"""Compiled forms are read back as they were, without the weights, and only whole ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from limner.engine.backends import compiled
from limner.engine.backends.openvino import OpenVino
from limner.registry.models import open_model

from ..test_identity import replace
from .test_backends import Floats, make_model, rows


def drawn(folder: Path, cache: Path) -> Floats:
    model = open_model(folder) if folder.exists() else make_model(folder, "bfloat16")
    found: Floats = OpenVino(threads=1, cache=cache).load(model, "unet")({"x": rows(2)})["y"]
    return found


@pytest.fixture
def first(tmp_path: Path) -> Floats:
    """What a model in `m` gives, compiled into `cache`."""
    return drawn(tmp_path / "m", tmp_path / "cache")


def test_what_was_compiled_is_read_and_no_network_is_made_of_the_weights(
    first: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*asked: object) -> None:
        raise AssertionError("it is compiled again")

    monkeypatch.setattr(compiled.CompiledForms, "_compile", never)
    assert np.array_equal(drawn(tmp_path / "m", tmp_path / "cache"), first)


@pytest.mark.parametrize("how", ["replaced", "written to"])
def test_other_weights_of_the_same_size_and_time_are_compiled(
    how: str, first: Floats, tmp_path: Path
) -> None:
    weights = tmp_path / "m" / "weights"
    stat = weights.stat()
    other = bytes(stat.st_size)
    if how == "replaced":
        replace(weights, other)
    else:
        weights.write_bytes(other)
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.stat().st_mtime_ns == stat.st_mtime_ns
    assert first.any() and not drawn(tmp_path / "m", tmp_path / "cache").any()


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
            (blob.parent / "whole.json").write_text("{", encoding="utf-8")
    assert np.array_equal(drawn(tmp_path / "m", tmp_path / "cache"), first)
    assert ("compiled again" in caplog.text) == (harm in ("other bytes", "no note"))
    (blob,) = (tmp_path / "cache").rglob("*.blob")
    assert blob.stat().st_size == size and (blob.parent / "whole.json").is_file()


def test_a_large_form_is_read_back_at_once(
    first: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_LARGE", 1)
    assert np.array_equal(drawn(tmp_path / "n", tmp_path / "other"), first)


@pytest.mark.parametrize("gone", ["the folder of this form", "the folder of all"])
def test_what_another_process_removes_meanwhile_is_done_without(gone: str, tmp_path: Path) -> None:
    make_model(tmp_path / "m")
    core, kept = openvino.Core(), tmp_path / "kept"
    kept.mkdir()
    forms = compiled.CompiledForms(kept, tmp_path / "m")

    def network() -> openvino.Model:
        for folder in [kept] if gone == "the folder of all" else list(kept.iterdir()):
            shutil.rmtree(folder)
        return core.read_model(tmp_path / "m" / "small.onnx")

    made = forms.compiled(core, {}, "all rows", network)
    assert made.model({"x": rows(2)})["y"].shape == (2, 30)


def test_one_that_another_process_was_first_to_compile_is_read(tmp_path: Path) -> None:
    make_model(tmp_path / "m")
    core, asked = openvino.Core(), "all rows"
    (tmp_path / "kept").mkdir()
    forms = compiled.CompiledForms(tmp_path / "kept", tmp_path / "m")

    def plain() -> openvino.Model:
        return core.read_model(tmp_path / "m" / "small.onnx")

    def network() -> openvino.Model:
        forms.compiled(core, {}, asked, plain)
        return plain()

    forms.compiled(core, {}, asked, network)
    (left,) = (tmp_path / "kept").iterdir()
    assert {each.suffix for each in left.iterdir()} == {".blob", ".json"}

    def never() -> openvino.Model:
        raise AssertionError("it is compiled again")

    forms.compiled(core, {}, asked, never)
