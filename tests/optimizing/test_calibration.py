"""What the denoiser reads while it draws, and the ranges that follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

from limner.engine.backends import backend
from limner.engine.backends.int8 import round_network
from limner.optimizing.calibration import PLAIN, sentences, trajectories
from limner.optimizing.rounding import table_for, without_the_finest
from limner.registry.models import Model, open_model


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return open_model(tiny_model)


def test_samples_come_from_all_parts_of_the_way(model: Model) -> None:
    samples = trajectories(model, backend("openvino"), ["a red apple", "a table"], 2)
    assert len(samples) == 4
    assert {name: value.shape for name, value in samples[0].items()} == {
        "sample": (2, 4, 8, 8),
        "timestep": (2,),
        "encoder_hidden_states": (2, 16, 32),
    }
    times = [float(sample["timestep"][0]) for sample in samples]
    assert max(times) > 700 and min(times) < 500 and len(set(times)) >= 2
    assert not np.array_equal(samples[0]["sample"], samples[2]["sample"])


def test_the_decoder_is_called_where_a_tiny_one_draws_by_default(model: Model) -> None:
    told = model.manifest.model_copy(update={"decoder": "tiny"})
    quick = Model(model.path, told, False)
    assert len(trajectories(quick, backend("openvino"), ["a red apple"], 1, "vae_decoder")) == 1


def test_a_model_is_asked_in_words_that_it_knows(model: Model) -> None:
    assert len(set(sentences(model, 8))) == 8
    told = model.manifest.model_copy(update={"vocabulary": None})
    assert sentences(Model(model.path, told, False), 14)[:12] == list(PLAIN)


def test_a_model_of_no_world_is_asked_in_some_of_its_words(model: Model) -> None:
    words = tuple(f"word{k}" for k in range(20))
    told = model.manifest.model_copy(
        update={
            "vocabulary": words,
            "lineage": model.manifest.lineage.model_copy(update={"recipe": '{"data":{"folder":"mine"}}'}),
        }
    )
    asked = sentences(Model(model.path, told, False), 6)
    assert len(set(asked)) == 6
    for text in asked:
        assert len(set(text.split())) == 8 and set(text.split()) <= set(words)


def test_the_table_covers_what_was_seen_and_keeps_what_the_network_says(model: Model) -> None:
    pytest.importorskip("nncf")
    graph = model.graph_file("unet")
    samples = trajectories(model, backend("openvino"), ["a red apple", "a table"], 2)
    table = table_for(graph, samples)
    assert table.activations and len(table.weights) > 10 and table.runtime.startswith("openvino 20")
    seen = next(each for each in table.activations if each.source == "sample")
    every = np.stack([sample["sample"] for sample in samples])
    least, most = every.min(), every.max()
    assert seen.low <= 0 <= seen.high
    assert seen.high - seen.low >= 0.8 * (most - least)
    spared = without_the_finest(graph, table)
    assert 0 < len(spared.weights) < len(table.weights)
    core = openvino.Core()
    rounded = core.read_model(graph)
    round_network(rounded, table)
    answers = [
        openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(samples[1])[0]
        for network in (core.read_model(graph), rounded)
    ]
    error = np.linalg.norm(answers[1] - answers[0]) / np.linalg.norm(answers[0])
    assert 1e-4 < error < 0.1
