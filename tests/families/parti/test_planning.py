"""Plans of pictures: subjects as tokens and back, what they tell of each square, and models that plan first."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.engine.noise import normal
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import LimnerError
from limner.families import layout
from limner.families.parti.drawing import draw_tokens
from limner.families.parti.export import export, load_networks, load_plans
from limner.families.parti.image_tokenizer import ImageTokenizer
from limner.families.parti.planning import BANDS, TOLD, Planning, background_tones
from limner.families.parti.program import Parti
from limner.families.parti.sampling import uniform
from limner.families.parti.shape import Subjects
from limner.families.parti.transformer import TokenTransformer
from limner.families.plans import verify_plans
from limner.registry import Registry
from limner.registry.manifest import TokenDefaults
from limner.registry.models import Model, open_model
from limner.registry.onnx_weights import MAX_INLINE
from limner.registry.placing import PLACING

from ..driving import driven
from .tiny import IMAGE, LINEAGE, TEXT, TRANSFORMER, make_transformer

SUBJECTS = Subjects(most=3, names=("subject", "cat", "dog", "hat"), drawings=2)
PLANNING = Planning(SUBJECTS, IMAGE.codes + 1)
_GREY = np.full((1, BANDS, 3), 0.4, np.float32)
_EDGES = st.floats(-0.25, 1.25)


@st.composite
def subjects(draw: st.DrawFn) -> list[float]:
    """How one subject stands."""
    left, right = sorted(draw(st.tuples(_EDGES, _EDGES)))
    top, bottom = sorted(draw(st.tuples(_EDGES, _EDGES)))
    tones = draw(st.tuples(*[st.floats(0, 1)] * 3))
    return [
        *(left, top, right, bottom, float(draw(st.integers(1, 4))), float(draw(st.integers(0, 1)))),
        *(draw(st.integers(-4, 4)) / 4, float(draw(st.sampled_from((-1, 1)))), *tones, 0.0),
    ]


def _placings(rows: list[list[float]]) -> NDArray[np.float32]:
    made = np.full((1, 8, len(PLACING)), np.nan, np.float32)
    made[0, : len(rows)] = np.reshape(np.array(rows, np.float32), (-1, len(PLACING)))
    return made


@given(st.lists(subjects(), max_size=3))
def test_of_a_place_without_a_subject_only_that_counts(rows: list[list[float]]) -> None:
    whole = PLANNING.counted(PLANNING.tokens(_placings(rows), _GREY))
    tones, counted = whole[0, :12], whole[0, 12:].reshape(3, 10)
    assert (
        tones.all()
        and counted[: len(rows)].all()
        and counted[:, 0].all()
        and not counted[len(rows) :, 1:].any()
    )


@given(st.lists(subjects(), max_size=3))
def test_what_is_planned_is_read_again_as_near_as_its_tokens_are(rows: list[list[float]]) -> None:
    tokens = PLANNING.tokens(_placings(rows), _GREY)
    low, high = PLANNING.allowed.T
    assert tokens.shape == (1, 42) and ((tokens >= low) & (tokens < high)).all()
    assert np.array_equal(PLANNING.tokens(PLANNING.placings(tokens), PLANNING.tones(tokens)), tokens)
    found = PLANNING.placings(tokens)[0]
    expected = sorted(
        rows, key=lambda row: [round(float(np.float32(side + 0.25)) / 1.5 * 47) for side in row[:2]]
    )
    assert np.isnan(found[len(rows) :]).all()
    if len({tuple(row[3:5]) for row in tokens[0, 12:].reshape(3, 10)[: len(rows)].tolist()}) < len(rows):
        return  # which of two at one corner comes first does not matter
    for mine, true in zip(found, expected, strict=False):
        apart = np.abs(mine - np.array(true))
        assert apart[:4].max() <= 1.5 / 47 / 2 + 1e-6 and apart[8:11].max() <= 1 / 30 + 1e-6
        assert apart[[4, 5, 7, 11]].max() == 0 and apart[6] <= 1e-6


def test_parts_and_subjects_past_the_last_place_are_left_out() -> None:
    rows = [[k / 8, 0, k / 8 + 0.1, 1, 2, 0, 0, 1, 0, 0, 0, float(k == 2)] for k in range(5)]
    found = PLANNING.placings(PLANNING.tokens(_placings(rows), _GREY))[0]
    assert found[:, 0].tolist() == pytest.approx([0, 1 / 8, 3 / 8], abs=0.02)


def test_kinds_and_sides_are_told_apart_and_nothing_else_shares_a_token() -> None:
    behind, (low, high) = PLANNING.allowed[:12], PLANNING.allowed[12:22].T
    assert low[0] == IMAGE.codes + 1 and high.max() == PLANNING.end
    sides, tones = low[3:7], low[7:]
    assert len(set(sides.tolist())) == len(set(tones.tolist())) == 1
    assert (behind == [low[7], high[7]]).all(), "the tones of backgrounds are those of subjects"
    ends = sorted({(int(a), int(b)) for a, b in zip(low, high, strict=True)})
    assert all(end == begin for (_, end), (begin, _) in pairwise(ends))


def test_a_plan_tells_of_each_square_what_the_layout_says_and_the_tone_of_its_band() -> None:
    tones = np.linspace(0, 1, 3 * BANDS, dtype=np.float32).reshape(1, BANDS, 3)
    tokens = PLANNING.tokens(_placings([[0, 0, 0.5, 1, 2, 1, 0.5, -1, 1, 0, 0, 0]]), tones)
    told = PLANNING.told(tokens, 4)
    assert told.shape == (1, 16, TOLD)
    true = layout.layout(
        PLANNING.placings(tokens), np.zeros((1, 4, 4), np.float16), layout.kind_codes(3), SUBJECTS.drawings
    )
    assert np.array_equal(told[0, :, :-3].reshape(4, 4, -1), np.moveaxis(true[0, 1:], 0, 2))
    assert np.array_equal(told[0, :, -3:], np.repeat(2 * PLANNING.tones(tokens)[0] - 1, 4, 0))
    assert not PLANNING.told(PLANNING.tokens(_placings([]), tones), 4)[:, :, :-3].any()


@pytest.mark.parametrize("side", [4, 6, 64])
def test_the_tones_of_a_background_are_means_of_what_no_subject_hides(side: int) -> None:
    rng = np.random.default_rng(side)
    pictures = rng.integers(0, 256, (3, side, side, 3), np.uint8)
    subjects = rng.integers(0, 2, (3, side, side), np.uint8)
    subjects[2, : side // 2] = 1  # the upper bands are hidden, and taken with what hides them
    found = background_tones(pictures, subjects)
    for n in range(3):
        for band in range(BANDS):
            rows = slice(side * band // BANDS, side * (band + 1) // BANDS)
            pixels, bare = pictures[n, rows].reshape(-1, 3), subjects[n, rows].ravel() == 0
            expected = pixels[bare].mean(0) if bare.any() else pixels.mean(0)
            assert found[n, band] == pytest.approx(expected / 255, abs=1e-6)


def test_subjects_are_planned_with_less_chance_than_the_rest() -> None:
    shares = [PLANNING.warmth(place) for place in range(PLANNING.length + 2)]
    assert shares[:12] == [1.0] * 12 and shares[-2:] == [1.0, 1.0]
    assert len(set(shares[12:-2])) == 1 and shares[12] < 1


@torch.no_grad()
def test_steps_with_a_cache_score_as_the_whole_does_and_only_what_may_stand_there() -> None:
    network = make_transformer(subjects=SUBJECTS)
    generator = torch.Generator().manual_seed(2)
    ids, mask = torch.randint(3, TRANSFORMER.text_vocabulary, (2, 12), generator=generator), torch.ones(2, 12)
    low, high = network.allowed.unbind(1)
    places = len(low)
    tokens = low + (torch.rand(2, places, generator=generator) * (high - low)).long()
    told = torch.randn(2, places, TOLD, generator=generator)
    whole = network(ids, mask, tokens, told)
    numbers = torch.arange(whole.shape[-1])
    inside = (numbers >= low[:, None]) & (numbers < high[:, None])
    assert (whole[:, ~inside] < -9000).all() and (whole[:, inside] > -1000).all()
    memory, shape = network.remember(ids, mask), network.shape
    cache = torch.zeros(2, shape.decoder_layers, 2, shape.heads, places, shape.head)
    for place in range(places):
        given, position = network.given(tokens)[:, place], torch.full((2,), place)
        scores, kept, _ = network.step(given, position, memory, mask, cache, told[:, place])
        cache[:, :, :, :, place] = kept
        assert torch.allclose(scores, whole[:, place], atol=1e-3)


def test_nothing_of_a_plan_is_above_a_picture() -> None:
    network = make_transformer(subjects=SUBJECTS)
    tokens = torch.arange(58).reshape(1, 58)  # a plan of 42, then 4 x 4
    none, given = IMAGE.codes, network.given(tokens)[0].tolist()
    assert given[0] == [none, none, none] and given[41] == [40, none, none]
    assert given[42] == [41, none, none] and given[45] == [44, none, none]
    assert given[46] == [45, 42, 43] and given[49] == [48, 45, none]


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with random weights that plans."""
    torch.manual_seed(1)
    tokenizer = ImageTokenizer(IMAGE, planned=True).eval()
    assert tokenizer.told is not None
    torch.nn.init.normal_(tokenizer.told.second.weight, std=0.3)
    return export(
        tmp_path_factory.mktemp("planner") / "model", TEXT, tokenizer, make_transformer(subjects=SUBJECTS),
        name="planner", version="1", title="Planner", description="Random weights, for tests.", lineage=LINEAGE,
        defaults=TokenDefaults(steps=IMAGE.side, top_k=8),
    )  # fmt: skip


def test_a_graph_is_tried_on_every_token_and_its_scores_are_measured_by_those_that_may_come(
    planner: Model,
) -> None:
    plans = load_plans(planner.path)
    decoder = next(plan for plan in plans if plan.name == "decoder")
    given = torch.cat([decoder.random_inputs(3, seed)["given"] for seed in range(200)])
    assert set(given[:, 0].tolist()) == set(range(PLANNING.end))
    assert set(given[:, 1:].flatten().tolist()) == set(range(IMAGE.codes + 1)), (
        "nothing of a plan is above a picture"
    )
    assert max(one.error for one in verify_plans(planner.path, plans)) < 1e-4
    with torch.no_grad():  # one score in a hundred, which is nothing beside those of tokens that may not come
        decoder.network.get_parameter("network.decoder_norm.weight").mul_(1.01)
    with pytest.raises(LimnerError, match=r"graph 'decoder' in .* is .* from torch"):
        verify_plans(planner.path, [decoder])


@torch.no_grad()
def test_the_program_plans_first_and_draws_what_the_networks_draw(planner: Model) -> None:
    drawer = Parti(planner)
    asked = DrawRequest(
        prompt="a red apple on a table", seed=3, guidance_scale=1.5, temperature=0.8, attention=True
    )
    picture, calls, steps = driven(drawer.program(drawer.resolve(asked)), load_plans(planner.path))
    _, network = load_networks(planner.path)
    texts = ("", asked.prompt)
    ids = torch.from_numpy(np.stack([TEXT.row(text, TRANSFORMER.text_tokens) for text in texts]))
    numbers = torch.from_numpy(uniform(normal(3, (1, 58))))
    expected = draw_tokens(network, ids, (ids != 0).float(), numbers, 1.5, 0.8, 8)
    last = calls[-1]
    assert last.graph == "detokenizer" and np.array_equal(last.inputs["tokens"], expected[:, 42:].numpy())
    told = PLANNING.told(expected[:, :42].numpy(), IMAGE.side)
    assert np.array_equal(last.inputs["told"], told)
    assert [step.step for step in steps] == [1, 2, 3, 4] and picture.shape == (32, 32, 3)
    assert steps[-1].attention is not None and steps[-1].attention.maps[0].shape == (6, 4, 4)


def test_the_engine_draws_what_is_planned(planner: Model, tmp_path: Path) -> None:
    studio = LocalStudio(Registry(tmp_path))
    made = [
        studio.draw(DrawRequest(prompt="a red apple", model=str(planner.path), seed=seed))
        for seed in (1, 1, 2)
    ]
    studio.close()
    assert np.array_equal(made[0].pixels, made[1].pixels)
    assert not np.array_equal(made[0].pixels, made[2].pixels)
    assert open_model(planner.path).manifest.graphs["detokenizer"].inputs[1].name == "told"


def test_what_a_graph_keeps_beside_its_weights_stays_small_for_many_tokens() -> None:
    with torch.device("meta"):
        network = TokenTransformer(TRANSFORMER, 8192, 32, subjects=SUBJECTS.model_copy(update={"most": 8}))
    assert network.positions.shape[0] == 92 + 32 * 32
    assert all(buffer.nbytes <= MAX_INLINE for buffer in network.buffers())
