"""What AttnGAN minimises: the match of words and regions (DAMSM), the adversarial losses, the condition's divergence.

Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative Adversarial Networks".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .discriminator import Discriminator

_TINY = 1e-8


@dataclass(frozen=True)
class Sharpness:
    """The factors of equations 9, 10 and 11."""

    regions: float = 4.0
    words: float = 5.0
    batch: float = 10.0


@dataclass(frozen=True)
class Encoded:
    """B pictures and their B texts in one space, and W further texts that are wrong of the pictures `wrong_of` (W,).

    `regions` (B, D, h, w), `whole` (B, D); `words` (B + W, D, T), `sentence` (B + W, D), `mask` bool (B + W, T). `same`
    bool (B, B) is true where a text is also true of another's picture, which must not count as a wrong answer.
    """

    regions: Tensor
    whole: Tensor
    words: Tensor
    sentence: Tensor
    mask: Tensor
    same: Tensor
    wrong_of: Tensor


def word_scores(regions: Tensor, words: Tensor, mask: Tensor, sharpness: Sharpness) -> Tensor:
    """How well each picture fits the words of each text, (pictures, texts): equations 7 to 10, before the factor of 11.

    `regions` (N, D, h, w), `words` (M, D, T), `mask` bool (M, T). Each region shares itself out over a text's words;
    then each word gathers its regions, the more sharply the larger `sharpness.regions`, and is compared with them.
    """
    regions = regions.flatten(2)  # (N, D, R)
    scores = torch.einsum("ndr,mdt->nmrt", regions, words)
    there = mask[None, :, None, :]
    shared = scores.masked_fill(~there, torch.finfo(scores.dtype).min).softmax(3)
    gathered = (sharpness.regions * shared).softmax(2)  # (N, M, R, T)
    context = torch.einsum("ndr,nmrt->nmdt", regions, gathered)
    alike = functional.cosine_similarity(context, words[None], dim=2, eps=_TINY)  # (N, M, T)
    return (sharpness.words * alike).masked_fill(~mask[None], -torch.inf).logsumexp(2)


def sentence_scores(whole: Tensor, sentence: Tensor) -> Tensor:
    """The cosine of each picture (N, D) and each text (M, D): (N, M)."""
    return functional.normalize(whole, dim=1, eps=_TINY) @ functional.normalize(sentence, dim=1, eps=_TINY).T


def contrast(
    scores: Tensor, same: Tensor, sharpness: Sharpness, wrong: Tensor | None = None, of: Tensor | None = None
) -> Tensor:
    """Find the text of each picture and the picture of each text among all (B, B): equations 11 and 12, both added.

    The pictures `of` (W,), none twice, must also not find the text that is `wrong` of each, whose scores (W,) are.
    """
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    scores = (sharpness.batch * scores).masked_fill(same & ~own, -torch.inf)
    right = torch.arange(len(scores), device=scores.device)
    by_text = functional.cross_entropy(scores.T, right)
    if wrong is not None and of is not None:
        further = scores.new_full((len(scores),), -torch.inf).index_put((of,), sharpness.batch * wrong)
        scores = torch.cat([scores, further[:, None]], 1)
    return functional.cross_entropy(scores, right) + by_text


def damsm_losses(encoded: Encoded, sharpness: Sharpness) -> tuple[Tensor, Tensor]:
    """The loss of the words and that of the sentence (equation 13 is their sum)."""
    count, of = len(encoded.whole), encoded.wrong_of
    regions, words, mask = encoded.regions.float(), encoded.words.float(), encoded.mask
    whole, sentence = encoded.whole.float(), encoded.sentence.float()
    with torch.autocast(encoded.words.device.type, enabled=False):
        by_word = word_scores(regions, words[:count], mask[:count], sharpness)
        by_sentence = sentence_scores(whole, sentence[:count])
        if not len(of):
            return contrast(by_word, encoded.same, sharpness), contrast(by_sentence, encoded.same, sharpness)
        wrong_word = torch.vmap(lambda r, w, m: word_scores(r[None], w[None], m[None], sharpness)[0, 0])(
            regions[of], words[count:], mask[count:]
        )
        wrong_sentence = functional.cosine_similarity(whole[of], sentence[count:], eps=_TINY)
    return (
        contrast(by_word, encoded.same, sharpness, wrong_word, of),
        contrast(by_sentence, encoded.same, sharpness, wrong_sentence, of),
    )


def discriminator_loss(
    network: Discriminator, real: Tensor, fake: Tensor, sentence: Tensor, same: Tensor, wrong_of: Tensor
) -> Tensor:
    """What one discriminator is at fault, for pictures (B, 3, side, side), B at least 2, and sentences (B + W, D).

    (real + real of its sentence) / 2 + (fake + fake of its sentence + real of another sentence) / 3; the other is
    the next one of the batch, where it is not as true of the picture: `same` (B, B) says which are; and, as often, the
    one of the last W that is wrong of the picture: `wrong_of` (W,).
    """
    count = len(real)
    own, wrong = sentence[:count], sentence[count:]
    seen, made = network(real), network(fake.detach())
    told = _cross_entropy(network.real_and_said(seen, own), 1)
    told_fake = _cross_entropy(network.real_and_said(made, own), 0)
    told_wrong = _cross_entropy(network.real_and_said(seen[:-1], own[1:]), 0, ~same.diagonal(1))
    if len(wrong):
        falsified = _cross_entropy(network.real_and_said(seen[wrong_of], wrong), 0)
        told_wrong = (told_wrong + falsified) / 2
    alone, alone_fake = _cross_entropy(network.real(seen), 1), _cross_entropy(network.real(made), 0)
    return (alone + told) / 2 + (alone_fake + told_fake + told_wrong) / 3


def generator_loss(network: Discriminator, fake: Tensor, sentence: Tensor) -> Tensor:
    """How far a discriminator is from taking pictures (B, 3, side, side) for real, with and without their sentences."""
    made = network(fake)
    told = _cross_entropy(network.real_and_said(made, sentence), 1)
    return _cross_entropy(network.real(made), 1) + told


def _cross_entropy(scores: Tensor, truth: int, counted: Tensor | None = None) -> Tensor:
    """The mean over scores (B,), or over those that are `counted` (B,), 0 where none is."""
    losses = functional.binary_cross_entropy_with_logits(
        scores.float(), torch.full_like(scores, truth, dtype=torch.float32), reduction="none"
    )
    return losses.mean() if counted is None else (losses * counted).sum() / counted.sum().clamp(min=1)


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Of the conditions (B, C) from unit normal ones, averaged over all of their values."""
    mean, logvar = mean.float(), logvar.float()
    return -0.5 * (1 + logvar - mean.square() - logvar.exp()).mean()
