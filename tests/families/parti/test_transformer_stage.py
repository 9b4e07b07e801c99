"""What the transformer learns: which texts it is told of which pictures, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from limner.families.parti.image_tokenizer import ImageTokenizer
from limner.families.parti.planning import BANDS, Planning
from limner.families.parti.recipe import Decoding
from limner.families.parti.shape import Subjects
from limner.families.parti.text import END, PAD
from limner.families.parti.transformer_stage import TokenExamples, TransformerStage

from .tiny import IMAGE, TEXT, TRANSFORMER

_COUNT, _BATCH, _FIRST_PIECE = 12, 24, 3
_TOKENS, _LENGTH = IMAGE.side**2, TRANSFORMER.text_tokens


class _Seen:
    """What the transformer was given, in order, and its scores."""

    def __init__(self, stage: TransformerStage) -> None:
        self.ids: list[Tensor] = []
        self.tokens: list[Tensor] = []
        self.scores: list[Tensor] = []
        stage.network.register_forward_hook(self._note)

    def _note(self, module: object, given: tuple[Tensor, ...], scores: Tensor) -> None:
        self.ids.append(functional.pad(given[0], (0, _LENGTH - given[0].shape[1])))
        self.tokens.append(given[2])
        self.scores.append(scores)


def _stage(**changed: float) -> TransformerStage:
    """A stage whose picture k is of token k alone, and whose texts begin with piece 3 + k; the first four have one
    subject."""
    number = np.arange(_COUNT)
    texts = np.full((2 * _COUNT, _LENGTH), PAD, np.int32)
    texts[:, 0], texts[:, 1] = _FIRST_PIECE + number.repeat(2), np.tile([20, 21], _COUNT)
    texts[:, 2] = END
    examples = TokenExamples(
        np.repeat(number[:, None], _TOKENS, 1).astype(np.uint16),
        np.zeros((_COUNT, 0), np.int32),
        np.random.default_rng(0).random((_COUNT, _TOKENS)).astype(np.float16),
        texts,
        np.arange(0, 2 * _COUNT + 1, 2),
        number < 4,
    )
    recipe = Decoding.model_validate({"steps": 10, "dropout": 0.0} | changed)
    return TransformerStage(recipe, TRANSFORMER, examples, examples, TEXT, ImageTokenizer(IMAGE).eval(), 3)


@torch.no_grad()
def test_a_text_is_that_of_its_picture_or_dropped_as_often_as_the_recipe_says() -> None:
    stage = _stage(caption_dropout=0.25)
    seen = _Seen(stage)
    for step in range(20):
        stage.loss(step, step * _BATCH, _BATCH, torch.Generator().manual_seed(step))
    ids, shown = torch.cat(seen.ids), torch.cat(seen.tokens)[:, 0]
    empty = (ids == torch.from_numpy(TEXT.row("", _LENGTH))).all(1)
    assert 0.19 < float(empty.float().mean()) < 0.31
    assert torch.equal(ids[~empty, 0], _FIRST_PIECE + shown[~empty])
    assert set(ids[~empty, 1].tolist()) == {20, 21} and (ids[~empty, 2] == END).all()


@torch.no_grad()
def test_one_subject_comes_first_and_then_every_picture_as_often() -> None:
    stage = _stage(simple_until=0.5)
    seen = _Seen(stage)
    for step in range(8):
        stage.loss(step, step * _BATCH, _BATCH, torch.Generator().manual_seed(step))
        expected = list(range(4)) * 6 if step < 5 else list(range(_COUNT)) * 2
        assert sorted(seen.tokens[step][:, 0].tolist()) == sorted(expected)


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_the_pictures_tokens() -> None:
    """Those in whose squares subjects are weigh more, by the shares of their own picture."""
    stage = _stage(mask_weight=2.0)
    seen = _Seen(stage)
    found = stage.loss(7, 7 * _BATCH, _BATCH, torch.Generator().manual_seed(7))
    total, area, right = 0.0, 0.0, 0
    for scores, tokens in zip(seen.scores[0], seen.tokens[0], strict=True):
        (number,) = set(tokens.tolist())
        for place, share in enumerate(stage.train.cells[number].tolist()):
            odds = torch.log_softmax(scores[place].double(), 0)
            total -= float(odds[number]) * (1 + 2 * share)
            area += 1 + 2 * share
            right += int(odds.argmax()) == number
    assert float(found["loss"]) == pytest.approx(total / area, rel=1e-5)
    assert float(found["right"]) == pytest.approx(right / (_BATCH * _TOKENS))


def _planning_stage(**changed: float) -> TransformerStage:
    """The first picture has a subject in its plan, of 32 tokens, the others none."""
    subjects = Subjects(most=2, names=("subject", "cat"), drawings=1)
    planning = Planning(subjects, IMAGE.codes + 1)
    placings = np.full((_COUNT, 8, 12), np.nan, np.float32)
    placings[0, 0] = (0.1, 0.2, 0.6, 0.7, 2, 0, 0, 1, 0.5, 0.5, 0.5, 0)
    tones = np.random.default_rng(1).random((_COUNT, BANDS, 3), np.float32)
    plain = _stage(caption_dropout=0.0).train
    examples = replace(plain, plans=planning.tokens(placings, tones).astype(np.int32))
    recipe = Decoding.model_validate(
        {"steps": 10, "dropout": 0.0, "planned": 2, "plan_weight": 3.0} | changed
    )
    tokenizer = ImageTokenizer(IMAGE, planned=True).eval()
    return TransformerStage(recipe, TRANSFORMER, examples, examples, TEXT, tokenizer, 3, subjects)


@torch.no_grad()
@pytest.mark.parametrize("alone", [False, True])
def test_what_a_plan_says_weighs_as_told_and_what_it_does_not_say_nothing(alone: bool) -> None:
    """Plans alone are those of four times as many pictures."""
    stage = _planning_stage(plans_until=0.8 if alone else 0.7)
    seen = _Seen(stage)
    found = stage.loss(7, 7 * _BATCH, _BATCH, torch.Generator().manual_seed(7))
    assert seen.tokens[0].shape == ((4 * _BATCH, 32) if alone else (_BATCH, 32 + _TOKENS))
    total, area, first = 0.0, 0.0, stage.train.plans[0]
    for scores, tokens in zip(seen.scores[0], seen.tokens[0], strict=True):
        has = np.array_equal(tokens[12:32].numpy(), first[12:])
        for place, number in enumerate(tokens.tolist()):
            says = place < 13 or place == 22 or (has and place < 22)  # tones, kinds, and the one subject
            weight = (3.0 if says else 0.0) if place < 32 else 1.0
            total -= weight * float(torch.log_softmax(scores[place].double(), 0)[number])
            area += weight
    assert float(found["loss"]) == pytest.approx(total / area, rel=1e-5)
    assert set(stage.validate()) == {"nats", "subjects", "right", "plan", "plan_right"}


@torch.no_grad()
def test_every_picture_comes_as_often_while_plans_are_learned_alone() -> None:
    stage = _planning_stage(plans_until=0.5, caption_dropout=0.0)
    seen = _Seen(stage)
    for step in range(3):
        stage.loss(step, step * _BATCH, _BATCH, torch.Generator().manual_seed(step))
    firsts = torch.cat(seen.ids)[:, 0] - _FIRST_PIECE
    assert firsts.bincount(minlength=_COUNT).tolist() == [3 * 4 * _BATCH // _COUNT] * _COUNT


def test_plans_are_learned_first_only_where_there_are_some() -> None:
    with pytest.raises(ValidationError, match="needs planned, how many subjects"):
        Decoding.model_validate({"steps": 10, "plans_until": 0.1})
