"""The stages on made-up examples: what a batch holds, whose gradients a turn leaves, and what is counted anew."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from limner.data.captioned import Item
from limner.families.attngan.damsm_stage import DamsmStage, validated
from limner.families.attngan.examples import Examples, examples_of
from limner.families.attngan.gan_stage import GanStage
from limner.families.attngan.recipe import Training
from limner.families.words import Words

from .tiny import RECIPE, WORDS

COUNT = 12


def _examples(side: int = 72) -> Examples:
    rng = np.random.default_rng(0)
    captions = [
        [rng.integers(2, len(WORDS.words), rng.integers(1, 9)).tolist() for _ in range(2)]
        for _ in range(COUNT)
    ]
    wrong = [[captions[k][1][::-1]] if k % 3 else [] for k in range(COUNT)]
    pictures = rng.integers(0, 256, (COUNT, side, side, 3), np.uint8)
    return Examples(pictures, captions, np.arange(COUNT) // 2, wrong)


@pytest.fixture
def stages() -> tuple[DamsmStage, GanStage]:
    recipe = Training.model_validate(tomllib.loads(RECIPE))
    shape, examples = recipe.shape(len(WORDS.words)), _examples()
    damsm = DamsmStage(recipe.damsm, shape, examples, examples, WORDS, 0)
    return damsm, GanStage(recipe.gan, recipe.damsm, shape, damsm.match, examples, examples, WORDS, 0)


def test_batches_are_cut_mirrored_and_shortened_in_order() -> None:
    examples = _examples()
    whole = examples.at_random(0, COUNT, seed=1, step=0, side=72, tokens=9)
    mirrored = examples.at_random(0, COUNT, seed=1, step=0, side=72, tokens=9, flip=True)
    same = (whole.pictures == mirrored.pictures).flatten(1).all(1)
    turned = (whole.pictures == mirrored.pictures.flip(3)).flatten(1).all(1)
    assert (same | turned).all() and same.any() and turned.any()
    short = examples.at_random(0, COUNT, seed=1, step=0, side=64, tokens=3)
    assert short.pictures.shape == (COUNT, 3, 64, 64) and short.ids.shape == (COUNT + 8, 3)
    known = {tuple(caption) for captions in examples.captions for caption in captions}
    for ids, length in zip(short.ids[:COUNT].tolist(), short.lengths[:COUNT].tolist(), strict=True):
        assert any(_within(ids[:length], caption) for caption in known)
    unknown = examples.at_random(0, COUNT, seed=1, step=0, side=64, tokens=9, unknown=1.0)
    assert set(unknown.ids.flatten().tolist()) <= {0, 1}


def test_each_picture_comes_with_a_caption_that_is_wrong_of_it_in_the_same_words() -> None:
    examples = _examples()
    batch = examples.at_random(0, 4 * COUNT, seed=1, step=0, side=72, tokens=9)
    shown = {examples.pictures[k].tobytes(): k for k in range(COUNT)}
    pictures = ((batch.pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    of = [shown[picture.tobytes()] for picture in pictures]
    texts = [ids[:length] for ids, length in zip(batch.ids.tolist(), batch.lengths.tolist(), strict=True)]
    assert batch.wrong_of.tolist() == [place for place, k in enumerate(of) if k % 3]
    for place, wrong in zip(batch.wrong_of.tolist(), texts[4 * COUNT :], strict=True):
        assert [wrong] == examples.wrong[of[place]]
    assert len(batch.same) == 4 * COUNT and len(examples.in_order(0, 4, 72, 9).wrong_of) == 0


def test_a_share_of_pictures_is_coarse() -> None:
    examples = _examples()
    fine = examples.at_random(0, 64, seed=1, step=0, side=72, tokens=9)
    some = examples.at_random(0, 64, seed=1, step=0, side=72, tokens=9, blurred=0.5)
    changed = (fine.pictures != some.pictures).flatten(1).any(1)
    assert 20 < int(changed.sum()) < 44
    rough = some.pictures[changed]
    assert float(rough.diff(dim=3).abs().mean()) < 0.5 * float(fine.pictures.diff(dim=3).abs().mean())


def _within(part: list[int], whole: tuple[int, ...]) -> bool:
    rest = iter(whole)
    return all(number in rest for number in part)


def test_classes_and_equal_captions_are_the_same() -> None:
    items = [
        Item(Path("a"), ("a bird",), None, {"class": "wren"}),
        Item(Path("b"), ("the crown",), None, {"class": "wren"}),
        Item(Path("c"), ("a bird",), None, {}),
        Item(Path("d"), ("!!!",), None, {}),
    ]
    examples = examples_of(np.zeros((4, 64, 64, 3), np.uint8), items, WORDS)
    batch = examples.in_order(0, 4, 64, 5)
    assert all(len(wrong) == 0 for wrong in examples.wrong)
    expected = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert batch.same.int().tolist() == expected
    assert batch.lengths.tolist() == [2, 2, 2, 1] and batch.ids[3, 0] == WORDS.unknown


def test_a_turn_leaves_gradients_to_its_own_alone(stages: tuple[DamsmStage, GanStage]) -> None:
    damsm, gan = stages
    first, second = gan.turns()
    torch.autograd.backward(first.loss(0, 0, 4, torch.Generator())["loss"])
    assert all(p.grad is not None for p in gan.judges.parameters())
    assert all(p.grad is None for p in gan.generator.parameters())
    gan.judges.zero_grad()
    torch.autograd.backward(second.loss(0, 0, 4, torch.Generator())["loss"])
    assert all(p.grad is None for p in [*gan.judges.parameters(), *damsm.module.parameters()])
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in gan.generator.parameters())


def test_the_whole_loss_is_that_of_both_turns(stages: tuple[DamsmStage, GanStage]) -> None:
    _, gan = stages
    losses = gan.loss(0, 0, 4, torch.Generator().manual_seed(1))
    parts = sum(losses[f"discriminator_{side}"] for side in gan.shape.sides)
    taught = losses["adversarial"] + 5 * (losses["words"] + losses["sentence"]) + losses["kl"]
    assert torch.allclose(losses["loss"], parts + taught)


def test_statistics_are_counted_afresh_for_the_weights_that_are_there(
    stages: tuple[DamsmStage, GanStage],
) -> None:
    _, gan = stages
    norms = [m for m in gan.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        norm.running_mean.fill_(100)
    gan.settle()
    assert not gan.generator.training and norms[0].momentum == 0.1
    for norm in norms:
        assert norm.running_mean is not None and norm.running_mean.abs().max() < 50
    first = gan.validate()
    assert first == gan.validate() and 0 <= first["found"] <= 1


def test_to_look_at_it_statistics_are_those_of_the_weights_that_are_there_and_then_as_before(
    stages: tuple[DamsmStage, GanStage],
) -> None:
    _, gan = stages
    norms = [m for m in gan.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    gan.settle()
    settled, page = gan.validate(), gan.sheet()
    for norm in norms:
        assert norm.running_mean is not None and norm.num_batches_tracked is not None
        norm.running_mean.fill_(3)
        norm.num_batches_tracked.fill_(17)
    assert gan.validate() == settled and gan.sheet().tobytes() == page.tobytes()
    assert all(norm.running_mean is not None and (norm.running_mean == 3).all() for norm in norms)
    assert all(norm.num_batches_tracked == 17 for norm in norms)


def test_an_example_with_no_other_beside_it_says_nothing(stages: tuple[DamsmStage, GanStage]) -> None:
    damsm, _ = stages
    few, every = damsm.recipe.model_copy(update={"batch_size": COUNT - 1}), _examples()
    told = []
    for count in (COUNT, COUNT - 1, 1):
        part = Examples(
            every.pictures[:count], every.captions[:count], every.classes[:count], every.wrong[:count]
        )
        told.append(validated(damsm.match, part, few, damsm.side, lambda batch, first: batch.pictures))
    assert told[0] == told[1] and told[0].keys() == {"words", "sentence", "found"} and told[2] == {}


def test_a_learned_match_finds_captions(stages: tuple[DamsmStage, GanStage]) -> None:
    """Pictures of a plain colour, each colour with a word of its own, are told apart after a few steps."""
    words = Words(("<end>", "<unk>", "red", "green", "blue"), 1)
    recipe = Training.model_validate(tomllib.loads(RECIPE))
    colours = np.eye(3, dtype=np.uint8)[np.arange(24) % 3] * 255
    pictures = np.ascontiguousarray(np.broadcast_to(colours[:, None, None], (24, 64, 64, 3)))
    examples = Examples(pictures, [[[2 + k % 3]] for k in range(24)], np.arange(24), [[]] * 24)
    stage = DamsmStage(recipe.damsm, recipe.shape(5), examples, examples, words, 0)
    optimizer = torch.optim.Adam(stage.module.parameters(), 1e-2)
    for step in range(40):
        loss = stage.loss(step, step * 8, 8, torch.Generator())["loss"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    stage.module.eval()
    assert stage.validate()["found"] == pytest.approx(1)
