"""The program: what it asks of the networks, what it shows and draws, and what it refuses by name."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import torch

from limner.engine.request import DrawRequest, Finished
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, LimnerError
from limner.families.attngan.export import load_plans, verify
from limner.families.attngan.program import AttnGan
from limner.optimizing.choosing import optimize
from limner.registry import Registry
from limner.registry.models import open_model

from ..driving import Driven, driven
from .tiny import SHAPE, WORDS

PROMPT = "The bird has a yellow crown"


@pytest.fixture
def drawer(tiny_attngan: Path) -> AttnGan:
    return AttnGan(open_model(tiny_attngan))


def _run(drawer: AttnGan, directory: Path, **asked: Any) -> Driven:
    return driven(drawer.program(drawer.resolve(DrawRequest(prompt=PROMPT, **asked))), load_plans(directory))


def test_graphs_give_what_torch_gives(tiny_attngan: Path) -> None:
    found = verify(tiny_attngan)
    assert {one.graph for one in found} == {"text_encoder", "generator"}
    assert max(one.error for one in found) < 1e-4


def test_weights_are_stored_once(tiny_attngan: Path) -> None:
    for part in ("text_encoder", "generator"):
        weights = (tiny_attngan / part / "model.safetensors").stat().st_size
        parameters = open_model(tiny_attngan).manifest.graphs[part].parameters
        assert weights < 4 * parameters + 20_000
        assert b"model.safetensors" in (tiny_attngan / part / "model.onnx").read_bytes()


def test_one_step_gives_every_size_and_the_attention_to_words(drawer: AttnGan, tiny_attngan: Path) -> None:
    pixels, calls, (step,) = _run(drawer, tiny_attngan, seed=3, attention=True)
    assert [call.graph for call in calls] == ["text_encoder", "generator"]
    ids = calls[0].inputs["input_ids"]
    assert [WORDS.words[number] for number in ids[0]] == PROMPT.lower().split()
    noise = torch.randn(
        (1, SHAPE.noise + SHAPE.condition), generator=torch.Generator().manual_seed(3)
    ).numpy()
    given = calls[1].inputs
    assert np.array_equal(np.concatenate([given["noise"], given["further"]], 1), noise)
    assert (step.step, step.steps) == (1, 1)
    assert [one.shape for one in step.pictures] == [(side, side, 3) for side in SHAPE.sides]
    assert step.preview is step.pictures[0] and np.array_equal(pixels, step.pictures[-1])
    assert step.attention is not None and step.attention.words == tuple(PROMPT.lower().split())
    for maps, side in zip(step.attention.maps, SHAPE.sides, strict=False):
        assert maps.shape == (6, side, side)
        assert np.allclose(maps.sum(0), 1, atol=1e-5)


def test_a_smaller_picture_is_of_the_same_drawing(drawer: AttnGan, tiny_attngan: Path) -> None:
    _, _, (step,) = _run(drawer, tiny_attngan, seed=3)
    assert step.attention is None, "it was not asked for"
    for side, expected in zip(SHAPE.sides, step.pictures, strict=True):
        assert np.array_equal(_run(drawer, tiny_attngan, seed=3, width=side)[0], expected)


def test_variations_are_near(drawer: AttnGan, tiny_attngan: Path) -> None:
    whole = _run(drawer, tiny_attngan, seed=3)[1][1].inputs["noise"]
    near = _run(drawer, tiny_attngan, seed=3, variation_seed=4, variation_strength=0.1)[1][1].inputs["noise"]
    far = _run(drawer, tiny_attngan, seed=4)[1][1].inputs["noise"]
    assert 0 < np.abs(near - whole).mean() < np.abs(near - far).mean()


def test_the_engine_draws_it_alone_and_in_company_alike(tiny_attngan: Path, tmp_path: Path) -> None:
    drawer = AttnGan(open_model(tiny_attngan))
    expected, _, _ = _run(drawer, tiny_attngan, seed=3)
    studio = LocalStudio(Registry(tmp_path))
    requests = [DrawRequest(prompt=PROMPT, model=str(tiny_attngan), seed=seed) for seed in (3, 4, 5)]
    alone = studio.draw(requests[0]).pixels
    events: SimpleQueue[Any] = SimpleQueue()
    for request in requests:
        studio.start(request, events.put)
    pictures: dict[int | None, Any] = {}
    while len(pictures) < len(requests):
        event = events.get(timeout=60)
        if isinstance(event, Finished):
            pictures[event.picture.request.seed] = event.picture.pixels
    studio.close()
    together = pictures[3]
    assert np.array_equal(alone, together)
    assert np.abs(alone.astype(int) - expected.astype(int)).max() <= 1


def test_resolving_fills_what_there_is(drawer: AttnGan) -> None:
    asked = DrawRequest(prompt=PROMPT, steps=1, guidance_scale=1)
    resolved = drawer.resolve(asked)
    assert (resolved.steps, resolved.guidance_scale, resolved.sampler) == (1, None, None)
    assert (resolved.width, resolved.height) == (64, 64) and resolved.seed is not None
    assert drawer.resolve(resolved) == resolved


@pytest.mark.parametrize(
    "field",
    [
        {"steps": 20}, {"guidance_scale": 4.0}, {"guidance_interval": (0.0, 0.5)}, {"sampler": "ddim"},
        {"negative_prompt": "snow"}, {"image": "a", "strength": 0.5}, {"mask": "b"}, {"strength": 0.5},
        {"width": 100}, {"width": 64, "height": 32},
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused_by_name(drawer: AttnGan, field: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="tiny-attngan") as raised:
        drawer.resolve(DrawRequest(prompt=PROMPT, **field))
    assert raised.value.field in field and str(raised.value.field) in str(raised.value)


def test_unknown_words_become_the_unknown_one_and_none_at_all_is_refused(drawer: AttnGan) -> None:
    assert WORDS.ids("a zebra, BLACK") == [2, 1, 4]
    with pytest.raises(InvalidInput, match="knows no word of '!!!'"):
        drawer.resolve(DrawRequest(prompt="!!!"))


def test_values_that_are_not_finite_are_an_error(drawer: AttnGan) -> None:
    program = drawer.program(drawer.resolve(DrawRequest(prompt=PROMPT, seed=1)))
    program.send(None)
    program.send({"words": np.zeros((1, 12, 6), np.float32), "sentence": np.zeros((1, 12), np.float32)})
    broken = {f"picture_{side}": np.full((1, 3, side, side), np.nan, np.float32) for side in SHAPE.sides}
    with pytest.raises(LimnerError, match="not finite"):
        program.send(broken)


def test_there_is_nothing_to_optimize(tiny_attngan: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="family attngan, which draws in one step"):
        optimize(open_model(tiny_attngan), tmp_path)
