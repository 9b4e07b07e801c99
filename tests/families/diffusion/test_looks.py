"""Which word drew what: words and their tokens, the mean over steps, and programs that are asked for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.engine.request import Call, DrawRequest, Stepped, WordMaps
from limner.engine.studio import LocalStudio
from limner.engine.variants import ATTENTION
from limner.errors import LimnerError
from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.looks import Looks, words_in
from limner.families.diffusion.program import Diffusion
from limner.families.diffusion.tokenizer import ClipTokenizer
from limner.registry import Registry, open_model
from limner.registry.models import BUILT_IN

from .driving import flat_networks


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipTokenizer:
    folder = tmp_path_factory.mktemp("clip") / "tokenizer"
    write_tokenizer(folder, False)
    return ClipTokenizer(folder)


def test_a_words_tokens_are_all_of_it_and_nothing_else(clip: ClipTokenizer) -> None:
    prompt = "A (Photograph:1.3) of an axolotl, 3 cats"
    found = words_in(clip, prompt, 1)
    assert [word for word, _ in found] == ["a", "photograph", "of", "an", "axolotl", "3", "cats"]
    ids = clip.row(clip.pieces("a photograph of an axolotl, 3 cats"))
    for word, places in found:
        assert ids[places].tolist() == clip.pieces(word)
    assert len(dict(found)["axolotl"]) > 1, "a rare word has several tokens"


def test_words_of_later_windows_stand_behind_those_of_earlier_ones(clip: ClipTokenizer) -> None:
    found = words_in(clip, "red BREAK blue", 3)
    assert found == [("red", [1]), ("blue", [clip.length + 1])]
    assert words_in(clip, "...", 1) == []


def test_accents_come_back_whole(clip: ClipTokenizer) -> None:
    assert [word for word, _ in words_in(clip, "Café müde 猫", 1)] == ["café", "müde", "猫"]


def test_maps_are_the_mean_of_the_steps_that_tell_and_of_the_prompts_row() -> None:
    rng = np.random.default_rng(0)
    looks, told = Looks(9, 6), [rng.random((rows, 5 * 3, 7), np.float32) for rows in (2, 1)]
    for outputs in ({ATTENTION: told[0]}, {}, {ATTENTION: told[1]}):
        looks.add(outputs)
    maps = looks.at([("red", [1]), ("apple", [2, 3])])
    mean = (told[0][1] + told[1][0]) / 2
    assert maps.words == ("red", "apple") and len(maps.maps) == 1
    assert maps.maps[0].shape == (2, 5, 3), "half of 9 by 6, rounded up"
    np.testing.assert_allclose(maps.maps[0][0], mean[:, 1].reshape(5, 3), rtol=1e-6)
    np.testing.assert_allclose(maps.maps[0][1], mean[:, 2:4].sum(1).reshape(5, 3), rtol=1e-6)
    assert looks.at([]).maps[0].shape == (0, 5, 3)


def test_maps_of_another_shape_are_refused() -> None:
    looks = Looks(8, 8)
    looks.add({ATTENTION: np.zeros((1, 17, 4), np.float32)})
    with pytest.raises(LimnerError, match="17 places"):
        looks.at([])


def kinds(model: Path, **fields: Any) -> list[str]:
    diffusion = Diffusion(open_model(model))
    request = DrawRequest.model_validate(
        {"prompt": "a cat", "seed": 1, "steps": 4, "attention": True} | fields
    )
    program, answer, found = diffusion.program(diffusion.resolve(request)), None, []
    last: Stepped | None = None
    while True:
        try:
            event = program.send(answer)
        except StopIteration:
            break
        answer = None
        if isinstance(event, Call):
            answer = flat_networks(event)
            if event.graph.startswith("unet"):
                found.append(event.graph)
        else:
            last = event
    assert last is not None and isinstance(last.attention, WordMaps)
    assert last.attention.words == ("a", "cat")
    return found


def test_whole_steps_tell_and_shallow_ones_do_not(tiny_model: Path) -> None:
    assert kinds(tiny_model) == ["unet/attentive"] * 4
    assert kinds(tiny_model, feature_reuse=2, guidance_scale=1.0) == ["unet/attentive", "unet/shallow"] * 2


def test_the_built_in_model_looks_at_words_where_it_draws_them() -> None:
    studio = LocalStudio(Registry(Path("/nowhere"), [open_model(BUILT_IN / "storybook")]))
    try:
        asked = DrawRequest(prompt="a red ball on the left of a blue ball in a meadow", seed=3)
        plain = studio.draw(asked)
        picture = studio.draw(asked.model_copy(update={"attention": True}))
    finally:
        studio.close()
    assert plain.attention is None
    away = np.abs(plain.pixels.astype(float) - picture.pixels)
    assert away.mean() < 2, "it is the same picture, but for the rounding of another form"
    assert picture.attention is not None
    told = picture.attention
    assert told.words == tuple(asked.prompt.split())
    maps = told.maps[0]
    assert maps.shape == (len(told.words), 8, 8) and (maps >= 0).all()
    assert (maps.sum(0) <= 1 + 1e-3).all()
    assert maps.sum(0).mean() > 0.05, "places look at words"
