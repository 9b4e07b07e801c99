from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limner
from limner.api import Drawn, Limner
from limner.engine.request import MAX_SEED, Stepped
from limner.errors import InvalidInput, LimnerError, NotFound, Unavailable
from limner.families.matcher.matcher import open_matcher
from limner.registry.models import open_model
from tests.service.fake_studio import FakeStudio


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def fake(studio: FakeStudio) -> Iterator[Limner]:
    with Limner(studio, "storybook") as opened:
        yield opened


def test_one_picture(fake: Limner, studio: FakeStudio) -> None:
    drawn = fake.draw("a red apple", seed=7, steps=3)
    assert isinstance(drawn, Drawn)
    assert (drawn.seed, drawn.request.steps, drawn.seconds) == (7, 3, 0.01)
    assert drawn.image.mode == "RGB"
    assert (np.asarray(drawn.image) == drawn.picture.pixels).all()
    assert studio.started[0].prompt == "a red apple"


def test_several_pictures_have_following_seeds(fake: Limner) -> None:
    drawn = fake.draw("a red apple", seed=MAX_SEED, count=3)
    assert isinstance(drawn, list)
    assert [one.seed for one in drawn] == [MAX_SEED, 0, 1]


def test_a_seed_left_out_is_drawn_at_random(fake: Limner) -> None:
    seeds = {one.seed for _ in range(2) for one in fake.draw_all(limner.api.request_of(prompt="x"), 2)}
    assert len(seeds) == 4


def test_the_best_of_several_is_what_a_matcher_finds_nearest(
    studio: FakeStudio, fake: Limner, tiny_matcher: Path
) -> None:
    with fake as model:
        kept = model.draw("a red apple", seed=10, count=2, best_of=3, matcher=str(tiny_matcher))
        every = model.draw("a red apple", seed=10, count=6)
    assert isinstance(kept, list) and isinstance(every, list) and len(studio.started) == 12
    matcher = open_matcher(open_model(tiny_matcher))
    scores = matcher.score([one.picture.pixels for one in every], ["a red apple"] * 6).reshape(2, 3)
    best = [int(row.argmax()) + first for row, first in zip(scores, (0, 3), strict=True)]
    assert [one.seed for one in kept] == [10 + k for k in best]
    assert [one.index for one in kept] == [0, 1], "as on_step counts them"


def test_steps_are_told_in_the_callers_thread(fake: Limner) -> None:
    told: list[tuple[int, int, int]] = []

    def on_step(k: int, stepped: Stepped) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append((k, stepped.step, stepped.steps))

    fake.draw("x", steps=2, count=2, on_step=on_step)
    assert sorted(told) == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]


@pytest.mark.parametrize(
    ("arguments", "field", "words"),
    [
        ({"prompt": ""}, "prompt", "prompt"),
        ({"prompt": " "}, "prompt", "prompt must not be empty"),
        ({"prompt": "x" * 10_000}, "prompt", "1000 characters"),
        ({"prompt": "a\x00b"}, "prompt", "control characters"),
        ({"seed": -1}, "seed", "not -1"),
        ({"seed": 2**32}, "seed", "4294967295"),
        ({"steps": 0}, "steps", "not 0"),
        ({"guidance_scale": float("nan")}, "guidance_scale", "not nan"),
        ({"width": 65}, "width", "65"),
        ({"count": 0}, "count", "1 to 64, not 0"),
        ({"count": 65}, "count", "1 to 64, not 65"),
        ({"best_of": 0}, "best_of", "not 0"),
        ({"best_of": 16, "count": 10}, "best_of", "160 pictures; at most 64"),
    ],
)
def test_a_wrong_argument_is_named(
    fake: Limner, arguments: dict[str, object], field: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        fake.draw(**{"prompt": "x", **arguments})  # type: ignore[call-overload]
    assert caught.value.field == field
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_failure_is_raised_and_the_others_are_cancelled(fake: Limner, studio: FakeStudio) -> None:
    studio.failures, studio.seconds_a_step = 1, 0.02
    with pytest.raises(Unavailable, match="the paint ran out"):
        fake.draw("x", steps=100, count=2)
    assert studio.ended.acquire(timeout=1)
    assert studio.ended.acquire(timeout=1)


def test_an_error_in_on_step_cancels(fake: Limner, studio: FakeStudio) -> None:
    studio.seconds_a_step = 0.02

    def on_step(k: int, stepped: Stepped) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake.draw("x", steps=100, on_step=on_step)
    assert studio.ended.acquire(timeout=1)


def test_leaving_closes_the_engine(studio: FakeStudio) -> None:
    with Limner(studio, "storybook"):
        assert not studio.closed
    assert studio.closed


def test_a_saved_picture_carries_its_settings(fake: Limner, tmp_path: Path) -> None:
    file = fake.draw("a red apple", seed=7).save(tmp_path / "apple.png")
    with Image.open(file) as image:
        told = image.info
        assert image.size == (64, 64)
    assert "a red apple" in told["parameters"]
    assert "a red apple" in json.dumps(json.loads(told["limner"]))


def test_where_a_picture_cannot_be_saved(fake: Limner, tmp_path: Path) -> None:
    drawn = fake.draw("x")
    assert isinstance(drawn, Drawn)
    (tmp_path / "folder.png").mkdir()
    for name, words in (("a.jpg", "PNG"), ("no/a.png", "does not exist"), ("folder.png", "is a folder")):
        with pytest.raises(InvalidInput, match=words):
            drawn.save(tmp_path / name)


def test_an_unknown_model_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="storybok"):
        limner.load("storybok", tmp_path)


def test_loading_and_drawing_a_real_model(tiny_model: Path, tmp_path: Path) -> None:
    with limner.load(str(tiny_model), tmp_path) as model:
        first = model.draw("a red apple", seed=7, steps=2)
        again, other = model.draw("a red apple", seed=7, steps=2, count=2)  # type: ignore[misc]
    assert isinstance(first, Drawn)
    assert first.image.size == (64, 64)
    assert np.abs(first.picture.pixels.astype(int) - again.picture.pixels).max() <= 1
    assert (first.picture.pixels != other.picture.pixels).any()


def test_import_is_cheap() -> None:
    code = (
        "import sys, limner; print(*(m for m in ('numpy', 'pydantic', 'PIL', 'torch') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_the_package_exports() -> None:
    assert all(hasattr(limner, name) for name in limner.__all__)
    assert issubclass(InvalidInput, LimnerError)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = limner.nonsense
