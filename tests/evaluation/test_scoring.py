"""All that an encoder measures, with one that is right by construction: scores are what they must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.evaluation.asking import asked
from limner.evaluation.distances import features, kid
from limner.evaluation.intervals import wilson
from limner.evaluation.lineage import Past
from limner.evaluation.material import Material, material_of
from limner.evaluation.scoring import Scorer, Scores
from limner.families.matcher.matcher import Matcher
from limner.registry.models import open_model
from tests.evaluation.pictures import Told, told_matcher

NOTHING = Past(np.empty((0, 8, 8, 3), np.uint8), (), 0, "not here")


def silent(words: str, total: int) -> Callable[[int], None]:
    return lambda done: None


def measured(
    matcher: Matcher,
    material: Material,
    pictures: Sequence[NDArray[np.uint8]],
    seeds: int,
    past: Past = NOTHING,
) -> Scores:
    every = [one for prompts in material.files.values() for one in asked(prompts, seeds)]
    true = (material.real(0, len(every), 32), material.real(1, len(every), 32))
    return Scorer(matcher, material, "some@1", silent).measure(every, pictures, true, past)


@pytest.fixture(scope="module")
def material(tiny_model: Path) -> Material:
    return material_of(open_model(tiny_model), "creatures", None, 12)


def test_a_model_that_draws_true_pictures_scores_as_they_do(material: Material) -> None:
    matcher = told_matcher()
    true = material.real(1, 48, 32)  # every prompt once, and again
    drawn = [true[place].pixels for k in range(24) for place in (k, k + 24)]
    found = measured(matcher, material, drawn, 2)
    scores = {score.id: score for score in found.scores}
    assert set(scores) == {
        "kid", "frechet", "r-precision", "match-score", "inception-score", "diversity",
    }  # fmt: skip
    assert scores["kid"].low is not None and scores["kid"].high is not None
    assert scores["kid"].title == "KID by told" and scores["inception-score"].title == "Class score by told"
    assert (
        scores["kid"].low <= scores["kid"].value == pytest.approx(scores["kid"].beside["true against true"])
    )
    assert set(scores["r-precision"].beside) == {"chance", "true pictures"}
    assert found.missing == {"nearest-learned": "not here"}
    for score in found.scores:
        assert (score.n, score.model, score.data) == (48, "some@1", material.hash)
        assert score.encoder_hash == "told" and score.resize == "middle square, lanczos to 16 px"


def test_whoever_draws_what_was_asked_finds_it_and_whoever_does_not_does_not(material: Material) -> None:
    matcher = told_matcher()
    every = [one for prompts in material.files.values() for one in asked(prompts, 1)]
    right = [Told.picture(one.prompt.text) for one in every]
    scores = {score.id: score for score in measured(matcher, material, right, 1).scores}
    assert scores["r-precision"].value == 1 and scores["match-score"].value == pytest.approx(100, abs=0.1)
    assert scores["match-score"].beside["another prompt's"] < 60
    wrong = [Told.picture(f"something else {k}") for k in range(len(every))]
    scores = {score.id: score for score in measured(matcher, material, wrong, 1).scores}
    assert scores["r-precision"].value < 0.2


def test_a_model_that_copies_is_at_no_distance_and_its_pairs_are_shown(material: Material) -> None:
    matcher = told_matcher()
    learned = np.stack([Told.picture(f"learned {k}") for k in range(9)])
    past = Past(learned, tuple((f"learned {k}",) for k in range(9)), 20)
    drawn = [learned[k % 9] for k in range(24)]
    found = measured(matcher, material, drawn, 1, past)
    score = next(score for score in found.scores if score.id == "nearest-learned")
    assert score.value == pytest.approx(0, abs=1e-6) and score.beside["true pictures"] > 0.2
    assert "9 of 20 pictures" in (score.note or "") and "does not prove" in (score.note or "")
    assert len({one.learned for one in found.closest}) == 6
    assert all(one.drawn % 9 == one.learned for one in found.closest)
    assert all(
        sum(shares) == pytest.approx(1, abs=0.01) for h in found.histograms for shares in h.shares.values()
    )


def test_one_copy_in_fifty_shows_in_the_first_percentile_and_not_in_the_median(material: Material) -> None:
    learned = np.stack([Told.picture(f"learned {k}") for k in range(9)])
    past = Past(learned, tuple((f"learned {k}",) for k in range(9)), 9)
    drawn = [learned[0] if k == 7 else Told.picture(f"own {k}") for k in range(24)]
    scores = {score.id: score for score in measured(told_matcher(), material, drawn, 1, past).scores}
    middle, low = scores["nearest-learned"], scores["nearest-learned-low"]
    assert middle.value > 0.8 * middle.beside["true pictures"] and middle.title != low.title
    assert low.value < 0.3 * low.beside["true pictures"]


def test_kid_is_of_pairs_of_two_prompts_and_needs_some_prompts(material: Material, tiny_model: Path) -> None:
    every = [one for prompts in material.files.values() for one in asked(prompts, 2)]
    drawn = [pair.pixels for pair in material.real(1, 48, 32)]
    true = [material.real(copy, 48, 32) for copy in (0, 1)]
    found = Scorer(told_matcher(), material, "some@1", silent).measure(
        every, drawn, (true[0], true[1]), NOTHING
    )
    score = next(score for score in found.scores if score.id == "kid")
    vectors = [
        features(told_matcher().embed_pictures(part)) for part in (drawn, [pair.pixels for pair in true[0]])
    ]
    texts = [one.prompt.text for one in every], [pair.text for pair in true[0]]
    assert score.value == pytest.approx(kid(vectors[0], vectors[1], texts), rel=1e-3)
    few = material_of(open_model(tiny_model), "creatures", "six", 5)
    lines = [Told.picture(one.prompt.text) for one in asked(few.files["sentences"], 4)]
    found = measured(told_matcher(), few, lines, 4)
    assert found.missing["kid"] == "needs 6 different prompts, and there are 5"
    assert "frechet" in {score.id for score in found.scores}


def test_the_interval_of_r_precision_is_that_of_prompts(material: Material) -> None:
    """Every second prompt finds its text, with all of its seeds."""
    every = [one for prompts in material.files.values() for one in asked(prompts, 3)]
    drawn = [
        Told.picture(one.prompt.text if k // 3 % 2 else f"other {k // 3}") for k, one in enumerate(every)
    ]
    scores = {score.id: score for score in measured(told_matcher(), material, drawn, 3).scores}
    score = scores["r-precision"]
    assert score.low is not None and score.high is not None and score.value < 0.6
    low, high = wilson(12, 24)
    assert score.high - score.low == pytest.approx(high - low, abs=0.03)
    match = scores["match-score"]
    assert match.low is not None and match.high is not None
    once = measured(told_matcher(), material, drawn[::3], 1).scores
    alone = next(score for score in once if score.id == "match-score")
    assert (match.low, match.high) == pytest.approx((alone.low, alone.high))


def test_true_pictures_of_another_size_are_said(material: Material) -> None:
    every = [one for prompts in material.files.values() for one in asked(prompts, 1)]
    drawn = [pair.pixels for pair in material.real(1, 24, 16)]
    true = material.real(0, 24, 32), material.real(1, 24, 32)
    found = Scorer(told_matcher(), material, "some@1", silent).measure(every, drawn, true, NOTHING)
    assert {score.resize for score in found.scores} == {
        "middle square, lanczos to 16 px, true ones from 32 px"
    }


def test_what_cannot_be_measured_says_why(tiny_model: Path) -> None:
    six = material_of(open_model(tiny_model), None, "six", None)
    found = measured(told_matcher(), six, [Told.picture(str(k)) for k in range(6)], 1)
    assert [score.id for score in found.scores] == ["match-score"]
    assert set(found.missing) == {
        "kid", "frechet", "r-precision", "inception-score", "diversity", "nearest-learned",
    }  # fmt: skip
    assert found.missing["kid"] == "there are no true pictures of these prompts"


def test_sentences_beside_a_world_are_held_against_its_pictures(tiny_model: Path) -> None:
    six = material_of(open_model(tiny_model), "creatures", "six", None)
    drawn = [Told.picture(one.prompt.text) for one in asked(six.files["sentences"], 3)]
    scores = {score.id: score for score in measured(told_matcher(), six, drawn, 3).scores}
    assert scores["kid"].n == scores["frechet"].n == 18
    assert scores["kid"].value > scores["kid"].beside["true against true"]
    assert scores["r-precision"].value == 1 and "any others of the world" in (
        scores["r-precision"].note or ""
    )


def test_only_a_clip_checkpoints_score_is_called_clip_score(material: Material) -> None:
    drawn = [Told.picture(str(k)) for k in range(24)]
    ids = [score.id for score in measured(told_matcher(clip=True), material, drawn, 1).scores]
    assert "clip-score" in ids and "match-score" not in ids


def test_a_clip_score_below_zero_is_zero_as_torchmetrics_has_it(material: Material) -> None:
    every = [one for prompts in material.files.values() for one in asked(prompts, 1)]
    against = [255 - Told.picture(one.prompt.text) for one in every]
    clip = next(
        s for s in measured(told_matcher(clip=True), material, against, 1).scores if s.id == "clip-score"
    )
    assert (clip.value, clip.low, clip.high) == (0, 0, 0)
    match = next(s for s in measured(told_matcher(), material, against, 1).scores if s.id == "match-score")
    assert match.value < 0 and match.high is not None and match.high < 0, "nobody expects it to be clamped"
