"""The decoder in 8 bits: convolutions alone, and only where its pictures stay near."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from limner.engine.backends import backend
from limner.engine.backends.int8 import Table, table_of
from limner.optimizing import decoder
from limner.registry.models import Model, open_model


def test_convolutions_are_rounded_where_pictures_stay_near(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    shutil.copytree(tiny_model, tmp_path / "m")
    model = open_model(tmp_path / "m")
    graph, said = model.graph_file(decoder.GRAPH), list[str]()
    plain, eight = (
        Model(model.path, model.manifest.model_copy(update={"precision": precision}), False)
        for precision in ("float32", "int8")
    )
    latent = {"latent_sample": np.random.default_rng(0).standard_normal((1, 4, 8, 8), np.float32)}
    before = backend("openvino").load(plain, decoder.GRAPH)(latent)["sample"]

    monkeypatch.setattr(decoder, "_STEPS", 2)
    monkeypatch.setattr(decoder, "NEAR", 20.0)
    assert decoder.round_decoder(model, False, said.append) > 20 and "kept" in said[-1]
    kinds = {
        layer.get_friendly_name(): layer.get_type_name()
        for layer in openvino.Core().read_model(graph).get_ops()
    }
    table = Table.read(table_of(graph))
    assert {kinds[name] for name in table.weights} == {"Convolution"} and len(table.weights) > 5
    rounded = backend("openvino").load(eight, decoder.GRAPH)(latent)["sample"]
    error = np.abs(rounded - before).max() / np.abs(before).max()
    assert 0 < error < 0.2
    assert np.array_equal(backend("openvino").load(plain, decoder.GRAPH)(latent)["sample"], before)

    monkeypatch.setattr(decoder, "NEAR", 101.0)
    decoder.round_decoder(model, False, said.append)
    assert "left as it is" in said[-1] and not table_of(graph).exists()
