"""Measuring: what a way to draw costs on the processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.engine.backends import choosing
from limner.engine.studio import LocalStudio
from limner.optimizing import measuring
from limner.optimizing.measuring import Way, draw_with
from limner.registry.models import Registry, open_model


def test_ways_are_measured_on_the_processor_where_there_is_a_gpu(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[choosing.Choice] = []

    def studio(registry: Registry, backend: str = "auto") -> LocalStudio:
        asked.append(choosing.chosen(backend))
        return LocalStudio(registry, "openvino", threads=1)

    monkeypatch.setattr(choosing, "gpus", lambda: 1)
    monkeypatch.setattr(choosing, "_computes_on_gpu", lambda name: True)
    monkeypatch.setattr(measuring, "LocalStudio", studio)
    measured = draw_with(open_model(tiny_model), Way("float32", reuse=1), ["a red apple"], tmp_path)
    assert [choice.name for choice in asked] == ["openvino@cpu"]
    assert np.shape(measured.pictures) == (1, 64, 64, 3)
