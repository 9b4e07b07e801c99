"""The ninety-nine wrong texts are wrong, and finding one's own is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from limner.evaluation.retrieval import AMONG, Pool, finds_its_own, pool_of, wrong_texts
from limner.storybook.grammar import random_for
from limner.storybook.worlds import WORLDS


@pytest.mark.parametrize("name", WORLDS)
def test_every_wrong_text_contradicts_the_picture(name: str) -> None:
    world = WORLDS[name]
    pool = pool_of(world)
    assert pool.graphs is not None and len(set(pool.texts)) == len(pool.texts)
    for number, prompt in enumerate(world.frozen("held_out")[:20]):
        places = wrong_texts(pool, [prompt.text], prompt.scene, world, number)
        assert places is not None and len(set(places.tolist())) == AMONG - 1
        assert all(world.contradicts(prompt.scene, pool.graphs[place]) for place in places)
        assert prompt.text not in [pool.texts[place] for place in places]


def test_the_same_number_has_the_same_texts_and_another_others() -> None:
    world = WORLDS["scenes"]
    pool, shown = pool_of(world), world.fresh(3, 1, 16)[1]
    first, again, other = (wrong_texts(pool, [], shown, world, number) for number in (4, 4, 5))
    assert first is not None and again is not None and other is not None
    assert first.tolist() == again.tolist() != other.tolist()


def test_without_scene_graphs_any_other_text_will_do() -> None:
    pool = Pool([f"text {k}" for k in range(AMONG + 1)], None)
    places = wrong_texts(pool, ["text 7", "text 8"], None, None, 0)
    assert places is not None and sorted(places) == [k for k in range(AMONG + 1) if k not in (7, 8)]
    assert wrong_texts(Pool(pool.texts[:50], None), ["text 7"], None, None, 0) is None


def test_r_precision_by_hand() -> None:
    rng = np.random.default_rng(0)
    others = rng.normal(size=(99, 4)).astype(np.float32)
    picture, own = rng.normal(size=4).astype(np.float32), rng.normal(size=4).astype(np.float32)
    ranks = sorted(range(100), key=lambda k: -float(np.vstack([own, others])[k] @ picture))
    assert finds_its_own(picture, own, others) == (ranks[0] == 0)
    assert finds_its_own(picture, picture * 100, others)
    assert not finds_its_own(picture, others[0], others), "a tie is not found"


def test_by_chance_it_is_one_in_a_hundred() -> None:
    rng = np.random.default_rng(1)
    found = sum(
        finds_its_own(rng.normal(size=8), rng.normal(size=8), rng.normal(size=(99, 8))) for _ in range(4000)
    )
    assert 20 < found < 65


def test_true_pictures_contradict_none_of_what_is_said_of_them() -> None:
    for world in WORLDS.values():
        for number in range(30):
            _, whole = world.fresh(11, 2 * number + 1, 16)
            for wording in range(5):
                said = world.describe(whole, random_for(wording, number))[1]
                assert not world.contradicts(whole, said)
