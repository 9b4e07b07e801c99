"""The program: which tokens it draws and from what, what it shows, and what it refuses by name."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import torch

from limner.engine.noise import normal
from limner.engine.request import Call, DrawRequest, Finished, Stepped, Stopped
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, LimnerError
from limner.families.parti.export import load_networks, load_plans, verify
from limner.families.parti.program import Parti
from limner.families.parti.sampling import drawn, guided, uniform
from limner.optimizing.choosing import optimize
from limner.registry import Registry
from limner.registry.models import open_model

from ..driving import Driven, driven
from .tiny import IMAGE, TEXT, TRANSFORMER

PROMPT = "a red apple on a table"
COUNT = IMAGE.side**2


@pytest.fixture
def drawer(tiny_parti: Path) -> Parti:
    return Parti(open_model(tiny_parti))


def _run(drawer: Parti, directory: Path, seed: int = 3, **asked: Any) -> Driven:
    request = drawer.resolve(DrawRequest(prompt=PROMPT, seed=seed, **asked))
    return driven(drawer.program(request), load_plans(directory))


@torch.no_grad()
def _obvious(
    directory: Path, seed: int, scale: float, temperature: float, top_k: int, negative: str = ""
) -> np.ndarray[Any, Any]:
    """The tokens (N,) of a seed by the whole network at every token, without a cache, alone."""
    _, network = load_networks(directory)
    ids = torch.from_numpy(np.stack([TEXT.row(text, TRANSFORMER.text_tokens) for text in (negative, PROMPT)]))
    numbers = uniform(normal(seed, (1, COUNT)))[0]
    tokens = torch.zeros(1, COUNT, dtype=torch.int64)
    for place in range(COUNT):
        scores = network(ids, (ids != 0).float(), tokens.repeat(2, 1))[:, place].numpy()
        one = guided(scores[:1], scores[1:], scale) if scale > 1 else scores[1:]
        tokens[0, place] = int(drawn(one, temperature, top_k, numbers[place : place + 1])[0])
    return tokens[0].numpy()


def _tokens(calls: list[Call]) -> np.ndarray[Any, Any]:
    return calls[-1].inputs["tokens"]


def test_graphs_give_what_torch_gives(tiny_parti: Path) -> None:
    found = verify(tiny_parti)
    assert {one.graph for one in found} == {"text_encoder", "decoder", "detokenizer"}
    assert max(one.error for one in found) < 1e-4


def test_weights_are_stored_once(tiny_parti: Path) -> None:
    for part, graphs in (("tokenizer", ["detokenizer"]), ("transformer", ["text_encoder", "decoder"])):
        for graph in graphs:
            assert b"model.safetensors" in (tiny_parti / part / f"{graph}.onnx").read_bytes()
    graphs_of = open_model(tiny_parti).manifest.graphs
    parameters = graphs_of["text_encoder"].parameters + graphs_of["decoder"].parameters
    assert (tiny_parti / "transformer" / "model.safetensors").stat().st_size < 2 * parameters + 20_000


@pytest.mark.parametrize(("scale", "temperature", "top_k"), [(1.5, 1.0, 8), (1.0, 0.7, 24), (3.0, 2.0, 1)])
def test_tokens_are_those_of_the_whole_network_without_a_cache(
    drawer: Parti, tiny_parti: Path, scale: float, temperature: float, top_k: int
) -> None:
    _, calls, _ = _run(drawer, tiny_parti, guidance_scale=scale, temperature=temperature, top_k=top_k)
    expected = _obvious(tiny_parti, 3, scale, temperature, top_k)
    assert np.array_equal(_tokens(calls)[0], expected)
    rows = {len(call.inputs["position"]) for call in calls if call.graph == "decoder"}
    assert rows == {2 if scale > 1 else 1}


def test_a_negative_prompt_stands_where_there_is_no_text(drawer: Parti, tiny_parti: Path) -> None:
    _, calls, _ = _run(drawer, tiny_parti, negative_prompt="two blue robots", guidance_scale=2.0)
    expected = _obvious(tiny_parti, 3, 2.0, 1.0, 8, "two blue robots")
    assert np.array_equal(_tokens(calls)[0], expected)


def test_every_row_is_a_step_that_shows_what_is_there(drawer: Parti, tiny_parti: Path) -> None:
    picture, _, steps = _run(drawer, tiny_parti, attention=True)
    assert [(step.step, step.steps) for step in steps] == [(k + 1, IMAGE.side) for k in range(IMAGE.side)]
    for step in steps[:-1]:
        assert step.preview is not None and step.preview.shape == (IMAGE.size, IMAGE.size, 3)
        below = step.preview[step.step * IMAGE.patch :]
        assert (below == below[0, 0]).all()
        assert step.preview[: step.step * IMAGE.patch].std() > 0
    attention = steps[-1].attention
    assert attention is not None and attention.words == tuple(PROMPT.split())
    assert attention.maps[0].shape == (6, IMAGE.side, IMAGE.side)
    assert np.allclose(attention.maps[0].sum(0), 1, atol=1e-5)
    assert (
        steps[-1].preview is picture
        and picture.dtype == np.uint8
        and picture.shape == (IMAGE.size, IMAGE.size, 3)
    )


def test_variations_are_near(drawer: Parti, tiny_parti: Path) -> None:
    def tokens(**asked: Any) -> np.ndarray[Any, Any]:
        return _tokens(_run(drawer, tiny_parti, guidance_scale=1.0, **asked)[1])

    whole, near = tokens(), tokens(variation_seed=4, variation_strength=0.05)
    far = tokens(variation_seed=4, variation_strength=1.0)
    assert (near != whole).sum() < (far != whole).sum()


def test_the_engine_draws_alone_and_in_company_alike(tiny_parti: Path, tmp_path: Path) -> None:
    """Pictures that begin later are at another token of the same calls."""
    expected = {seed: _run(Parti(open_model(tiny_parti)), tiny_parti, seed)[0] for seed in (3, 4, 5)}
    studio = LocalStudio(Registry(tmp_path))
    requests = [DrawRequest(prompt=PROMPT, model=str(tiny_parti), seed=seed) for seed in expected]
    alone = studio.draw(requests[0]).pixels
    events: SimpleQueue[Any] = SimpleQueue()
    pictures: dict[int | None, Any] = {}
    studio.start(requests[0], events.put)
    for request in requests[1:]:  # joins when the one before has drawn its first row
        while not isinstance(event := events.get(timeout=60), Stepped):
            if isinstance(event, Finished):
                pictures[event.picture.request.seed] = event.picture.pixels
        studio.start(request, events.put)
    while len(pictures) < len(requests):
        event = events.get(timeout=60)
        if isinstance(event, Finished):
            pictures[event.picture.request.seed] = event.picture.pixels
    studio.close()
    assert np.array_equal(alone, pictures[3])
    for seed, picture in pictures.items():
        assert seed is not None
        assert np.abs(picture.astype(int) - expected[seed].astype(int)).max() <= 1


def test_it_stops_at_any_token(tiny_parti: Path, tmp_path: Path) -> None:
    studio = LocalStudio(Registry(tmp_path))
    events: SimpleQueue[Any] = SimpleQueue()
    drawing = studio.start(DrawRequest(prompt=PROMPT, model=str(tiny_parti), seed=3), events.put)
    assert isinstance(events.get(timeout=60), Stepped)
    drawing.cancel()
    while isinstance(event := events.get(timeout=60), Stepped):
        pass
    studio.close()
    assert isinstance(event, Stopped)


def test_a_request_gets_what_the_model_says(drawer: Parti) -> None:
    found = drawer.resolve(DrawRequest(prompt=PROMPT))
    assert (found.steps, found.guidance_scale, found.temperature, found.top_k) == (IMAGE.side, 1.5, 1.0, 8)
    assert (found.width, found.height) == (IMAGE.size, IMAGE.size) and found.seed is not None
    assert drawer.resolve(found) == found
    varied = drawer.resolve(DrawRequest(prompt=PROMPT, variation_strength=0.2))
    assert varied.variation_seed is not None


@pytest.mark.parametrize(
    "asked",
    [
        {"steps": 20},
        {"sampler": "ddim"},
        {"image": "cat.png"},
        {"strength": 0.5},
        {"guidance_interval": (0.0, 0.5)},
        {"feature_reuse": 2},
        {"decoder": "tiny"},
        {"width": 64},
        {"height": 64},
    ],
)
def test_what_it_has_not_is_refused_by_name(drawer: Parti, asked: dict[str, Any]) -> None:
    (field,) = asked
    with pytest.raises(InvalidInput, match=field) as raised:
        drawer.resolve(DrawRequest(prompt=PROMPT, **asked))
    assert raised.value.field == field


@pytest.mark.parametrize("asked", [{"temperature": 0.9}, {"top_k": 8}])
def test_other_families_have_no_tokens_to_choose(
    tiny_model: Path, tiny_attngan: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    (field,) = asked
    studio = LocalStudio(Registry(tmp_path))
    for directory in (tiny_model, tiny_attngan):
        with pytest.raises(InvalidInput, match=f"leave out {field}"):
            studio.resolve(DrawRequest(prompt="a bird", model=str(directory), **asked))
    studio.close()


def test_scores_that_are_not_finite_are_an_error(drawer: Parti) -> None:
    program = drawer.program(drawer.resolve(DrawRequest(prompt=PROMPT, seed=1)))
    call = program.send(None)
    assert isinstance(call, Call) and call.graph == "text_encoder"
    call = program.send({"memory": np.zeros((2, 2, 2, 2, 12, 8), np.float32)})
    assert isinstance(call, Call) and call.graph == "decoder"
    broken = {
        "scores": np.full((2, IMAGE.codes), np.nan, np.float32),
        "kept": np.zeros((2, 2, 2, 2, 8), np.float32),
        "looked": np.zeros((2, 12), np.float32),
    }
    with pytest.raises(LimnerError, match="not finite"):
        program.send(broken)


def test_there_is_nothing_to_optimize(tiny_parti: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="family parti, which draws token by token"):
        optimize(open_model(tiny_parti), tmp_path)
