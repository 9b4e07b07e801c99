"""The losses against slow obvious versions, in batches of several texts of different lengths."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limner.families.attngan.discriminator import Discriminator
from limner.families.attngan.loss import (
    Encoded,
    Sharpness,
    contrast,
    damsm_losses,
    discriminator_loss,
    generator_loss,
    kl_divergence,
    sentence_scores,
    word_scores,
)
from limner.families.attngan.text import mask_of

B, D, T, SIDE = 4, 5, 6, 3
NONE = torch.zeros(0, dtype=torch.int64)
SHARPNESS = Sharpness(regions=3.0, words=2.0, batch=7.0)


def _encoded(same: list[tuple[int, int]], wrong_of: tuple[int, ...] = ()) -> Encoded:
    torch.manual_seed(0)
    marked = torch.eye(B, dtype=torch.bool)
    for i, j in same:
        marked[i, j] = marked[j, i] = True
    return Encoded(
        regions=torch.randn(B, D, SIDE, SIDE),
        whole=torch.randn(B, D),
        words=torch.randn(B + len(wrong_of), D, T),
        sentence=torch.randn(B + len(wrong_of), D),
        mask=mask_of(torch.tensor([6, 1, 3, 5, 4, 2][: B + len(wrong_of)]), T),
        same=marked,
        wrong_of=torch.tensor(wrong_of, dtype=torch.int64),
    )


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def _slow_word_score(regions: Tensor, words: Tensor) -> float:
    """Regions (D, R) and the words that are there (D, L): equations 7 to 10, one number at a time."""
    every = range(regions.shape[1])
    shared = [[0.0] * words.shape[1] for _ in every]
    for r in every:
        exps = [math.exp(float(regions[:, r] @ words[:, t])) for t in range(words.shape[1])]
        shared[r] = [value / sum(exps) for value in exps]
    total = 0.0
    for t in range(words.shape[1]):
        exps = [math.exp(SHARPNESS.regions * shared[r][t]) for r in every]
        context = sum(regions[:, r] * exps[r] / sum(exps) for r in every)
        total += math.exp(SHARPNESS.words * _cosine(torch.as_tensor(context), words[:, t]))
    return math.log(total)


def _slow_contrast(scores: list[list[float]], same: Tensor, wrong_of: tuple[int, ...] = ()) -> float:
    """Both directions; wrong answers that are also right are left out, of those that are falsified all but the
    picture's own; `scores` has theirs past the first B of each line."""
    loss = 0.0
    back = [list(column) for column in zip(*scores, strict=True)][:B]
    for further, table in ((wrong_of, scores), ((), back)):
        for i, line in enumerate(table):
            allowed = [j for j in range(B) if j == i or not same[i, j]]
            allowed += [B + w for w, of in enumerate(further) if of == i]
            exps = {j: math.exp(SHARPNESS.batch * line[j]) for j in allowed}
            loss -= math.log(exps[i] / sum(exps.values())) / B
    return loss


def test_words_match_regions_as_the_equations_say() -> None:
    given = _encoded([])
    found = word_scores(given.regions, given.words, given.mask, SHARPNESS)
    for n in range(B):
        for m in range(B):
            words = given.words[m][:, given.mask[m]]
            assert math.isclose(
                found[n, m], _slow_word_score(given.regions[n].flatten(1), words), abs_tol=1e-5
            )


def test_both_damsm_losses_against_the_slow_versions() -> None:
    every: list[tuple[list[tuple[int, int]], tuple[int, ...]]] = [
        ([], ()), ([(0, 2), (1, 3)], ()), ([], (3,)), ([(0, 2), (1, 3)], (2, 0)),
    ]  # fmt: skip
    for same, wrong_of in every:
        given, texts = _encoded(same, wrong_of), range(B + len(wrong_of))
        words = [
            [_slow_word_score(given.regions[n].flatten(1), given.words[m][:, given.mask[m]]) for m in texts]
            for n in range(B)
        ]
        sentences = [[_cosine(given.whole[n], given.sentence[m]) for m in texts] for n in range(B)]
        found = damsm_losses(given, SHARPNESS)
        assert math.isclose(found[0], _slow_contrast(words, given.same, wrong_of), rel_tol=1e-4)
        assert math.isclose(found[1], _slow_contrast(sentences, given.same, wrong_of), rel_tol=1e-4)


def test_what_fills_a_text_up_has_no_say() -> None:
    given = _encoded([])
    other = given.words.clone()
    other.masked_fill_(~given.mask[:, None], 100.0)
    assert torch.equal(
        word_scores(given.regions, given.words, given.mask, SHARPNESS),
        word_scores(given.regions, other, given.mask, SHARPNESS),
    )


def test_where_all_are_the_same_nothing_is_lost() -> None:
    scores = sentence_scores(torch.randn(B, D), torch.randn(B, D))
    assert float(contrast(scores, torch.ones(B, B, dtype=torch.bool), SHARPNESS)) == 0


def test_gradients_are_finite_with_masks_and_same_ones() -> None:
    given = _encoded([(0, 1)], (2, 3))
    leaves = [given.regions.requires_grad_(), given.words.requires_grad_(), given.whole.requires_grad_()]
    grads = torch.autograd.grad(torch.stack(damsm_losses(given, SHARPNESS)).sum(), leaves)
    assert all(torch.isfinite(grad).all() and grad.any() for grad in grads)


def _bce(scores: Tensor, truth: int) -> float:
    chances = [1 / (1 + math.exp(-float(s.detach()))) for s in scores]
    return -sum(math.log(p if truth else 1 - p) for p in chances) / len(chances)


def test_adversarial_losses_against_the_slow_versions() -> None:
    torch.manual_seed(1)
    network = Discriminator(channels=4, text_width=D, doublings=2, stage=1).eval()
    real, fake, told = torch.randn(3, 3, 32, 32), torch.randn(3, 3, 32, 32), torch.randn(3, D)
    seen, made = network(real), network(fake)
    wrong = torch.cat([network.real_and_said(seen[k : k + 1], told[k + 1 : k + 2]) for k in range(2)])
    expected = (_bce(network.real(seen), 1) + _bce(network.real_and_said(seen, told), 1)) / 2 + (
        _bce(network.real(made), 0) + _bce(network.real_and_said(made, told), 0) + _bce(wrong, 0)
    ) / 3
    apart = torch.eye(3, dtype=torch.bool)
    assert math.isclose(
        discriminator_loss(network, real, fake, told, apart, NONE).item(), expected, rel_tol=1e-4
    )
    expected = _bce(network.real(made), 1) + _bce(network.real_and_said(made, told), 1)
    assert math.isclose(generator_loss(network, fake, told).item(), expected, rel_tol=1e-4)


def test_a_sentence_that_is_as_true_of_a_picture_is_not_called_wrong() -> None:
    torch.manual_seed(1)
    network = Discriminator(channels=4, text_width=D, doublings=2, stage=1).eval()
    real, fake, told = torch.randn(3, 3, 32, 32), torch.randn(3, 3, 32, 32), torch.randn(3, D)
    apart, some, every = torch.eye(3).bool(), torch.eye(3).bool(), torch.ones(3, 3).bool()
    some[0, 1] = some[1, 0] = True
    seen, found = (
        network(real),
        [discriminator_loss(network, real, fake, told, s, NONE) for s in (every, some, apart)],
    )
    wrong = [_bce(network.real_and_said(seen[k : k + 1], told[k + 1 : k + 2]), 0) for k in range(2)]
    every_one, one, none = (loss.item() for loss in found)
    assert math.isclose(one - every_one, wrong[1] / 3, rel_tol=1e-3)
    assert math.isclose(none - every_one, sum(wrong) / 2 / 3, rel_tol=1e-3)


def test_a_sentence_that_an_atom_makes_wrong_counts_as_much_as_anothers() -> None:
    torch.manual_seed(1)
    network = Discriminator(channels=4, text_width=D, doublings=2, stage=1).eval()
    real, fake, told = torch.randn(3, 3, 32, 32), torch.randn(3, 3, 32, 32), torch.randn(5, D)
    apart, of = torch.eye(3, dtype=torch.bool), torch.tensor([2, 0])
    seen = network(real)
    anothers = [_bce(network.real_and_said(seen[k : k + 1], told[k + 1 : k + 2]), 0) for k in range(2)]
    falsified = [_bce(network.real_and_said(seen[[2, 0]], told[3:])[k : k + 1], 0) for k in range(2)]
    without = discriminator_loss(network, real, fake, told[:3], apart, NONE).item()
    found = discriminator_loss(network, real, fake, told, apart, of).item()
    assert math.isclose(found - without, (sum(falsified) - sum(anothers)) / 4 / 3, rel_tol=1e-3, abs_tol=1e-5)


def test_the_discriminators_loss_teaches_the_generator_nothing() -> None:
    network = Discriminator(channels=4, text_width=D, doublings=2, stage=0)
    fake = torch.randn(2, 3, 16, 16, requires_grad=True)
    apart = torch.eye(2, dtype=torch.bool)
    loss = discriminator_loss(network, torch.randn(2, 3, 16, 16), fake, torch.randn(2, D), apart, NONE)
    (grad,) = torch.autograd.grad(loss, [fake], allow_unused=True)
    assert grad is None


def test_divergence_from_unit_normal_in_closed_form() -> None:
    mean, logvar = torch.randn(3, 7), torch.randn(3, 7)
    normal = torch.distributions.Normal(mean, (0.5 * logvar).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).mean()
    assert torch.allclose(kl_divergence(mean, logvar), expected, atol=1e-6)
