"""The decoder that reads the layout: what it learns on, and that it draws what rough latents do not tell."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.checkpoint import checkpoint

from limner.data.arrays import PictureArrays
from limner.families import layout
from limner.families.diffusion import widening
from limner.families.diffusion.autoencoder_stage import build_autoencoder, squares
from limner.families.diffusion.decoder_rehearsal import DecoderRehearsal
from limner.families.diffusion.decoder_stage import DecoderExamples, DecoderStage
from limner.families.diffusion.drawing import Drawn
from limner.families.diffusion.recipe import Autoencoder, Decoder
from limner.training.pictures import to_pixels

_COUNT, _SIZE, _WIDTH = 8, 16, 2


def _arrays() -> PictureArrays:
    """Squares, white where the kind is 2 and black where it is 3, on grey."""
    pictures = np.full((_COUNT, _SIZE, _SIZE, 3), 128, np.uint8)
    subjects = np.zeros((_COUNT, _SIZE, _SIZE), np.uint8)
    placings = np.full((_COUNT, 8, 12), np.nan, np.float32)
    for k in range(_COUNT):
        kind = 2 + k % 2
        pictures[k, 4:12, 4:12], subjects[k, 4:12, 4:12] = (255, 0)[k % 2], kind
        placings[k, 0] = (0.25, 0.25, 0.75, 0.75, kind, 0, 0, 1, 0.5, 0.5, 0.5, 0)
    return PictureArrays(pictures, subjects, placings, ("subject", "white", "black"), "these")


def _stage(recipe: Decoder, ground: float = 1.0, rehearses: bool = False) -> DecoderStage:
    arrays = _arrays()
    cells = (arrays.subjects[:, ::2, ::2] > 0).astype(np.float16)
    raw = layout.layout(arrays.placings, cells, layout.kind_codes(2), 1)
    scale = layout.scale_of(raw, arrays.names, 1)
    channels = layout.standardised(raw, scale)
    torch.manual_seed(0)
    vae = build_autoencoder(Autoencoder(steps=1, channels=(8, 16), latent_channels=_WIDTH), _SIZE).eval()
    wide = widening.widened(vae, torch.zeros(2, 3, _SIZE, _SIZE), torch.from_numpy(channels[:2]).float())
    dull: NDArray[np.float16] = np.zeros((_COUNT, _WIDTH, 8, 8), np.float16)  # latents tell nothing
    true, guessed = np.concatenate([dull, channels], 1), np.concatenate([dull, 0 * channels], 1)
    drawn = Drawn(true, np.full(_COUNT, ground, np.float32))
    examples = DecoderExamples(arrays, true, guessed, drawn)
    rehearsal = None
    if rehearses:
        known = torch.from_numpy(true).float()
        rehearsal = DecoderRehearsal(known[:-2], known[-2:], wide, scale)
    return DecoderStage(recipe, wide, examples, examples, np.zeros(layout.CHANNELS, np.float16), 0, rehearsal)


def test_only_the_decoder_learns() -> None:
    stage = _stage(Decoder(steps=2, batch_size=4, crop=16))
    torch.autograd.backward(stage.loss(0, 0, 4, torch.Generator().manual_seed(0))["loss"])
    assert stage.vae.decoder.conv_in.weight.grad is not None
    assert all(p.grad is None and not p.requires_grad for p in stage.vae.encoder.parameters())


def test_gradient_checkpointing_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    grads, again = [], Mock(side_effect=checkpoint)
    monkeypatch.setattr("torch.utils.checkpoint.checkpoint", again)
    for checkpointed in (False, True):
        stage = _stage(Decoder(steps=2, batch_size=4, crop=16, gradient_checkpointing=checkpointed))
        torch.autograd.backward(stage.loss(0, 0, 4, torch.Generator().manual_seed(0))["loss"])
        grads.append([p.grad for p in stage.module.parameters()])
        assert (again.call_count > 0) == checkpointed
    torch.testing.assert_close(*grads)


def test_it_draws_what_the_layout_says_where_latents_say_nothing() -> None:
    """The kinds differ in their codes alone: white and black squares come out right."""
    stage = _stage(Decoder(steps=120, batch_size=8, crop=16, edge_weight=0.0, mask_weight=0.0))
    optimizer = torch.optim.AdamW(stage.module.parameters(), 1e-2)
    with torch.no_grad():
        before = stage.validate()
    for step in range(120):
        torch.autograd.backward(stage.loss(step, 8 * step, 8, torch.Generator().manual_seed(step))["loss"])
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        after = stage.validate()
    assert after["l1_true"] < 0.3 * before["l1_true"] and after["l1_drawn"] < 0.3 * before["l1_drawn"]
    assert after["l1_encoded"] > after["l1_true"]  # whose layout is empty: nothing says which


def test_background_counts_less_where_it_is_not_the_pictures_own() -> None:
    """As much as is said of what was drawn; wholly in what was encoded, which shows the picture's own."""
    recipe = Decoder(steps=2, batch_size=8, crop=16, edge_weight=0.0, mask_weight=4.0)
    stage, without = _stage(recipe), _stage(recipe, ground=0.0)
    kinds = torch.rand(8, 1, 1, 1, generator=torch.Generator().manual_seed(3))
    true = torch.from_numpy(stage.train.true).float()
    for each, expected in ((stage, 1.0), (without, 0.0)):
        ground = torch.from_numpy(each.train.drawn.ground).view(-1, 1, 1, 1)
        _, counted = each._given(true, true, true, ground, torch.Generator().manual_seed(3))
        assert torch.equal(counted, torch.where(kinds < 0.75, expected, 1.0))


_REHEARSES = [False, True, False, True, True] * 2  # three of five rows, evenly


def test_three_of_five_rows_rehearse() -> None:
    """What a decoder that has not learned makes of those is what is expected of it."""
    stage = _stage(Decoder(steps=2, batch_size=1, crop=16), rehearses=True)
    with torch.no_grad():
        losses = [
            float(stage.loss(k, k, 1, torch.Generator().manual_seed(k))["loss"])
            for k in range(len(_REHEARSES))
        ]
        stage.vae.decoder.conv_out.weight.mul_(2)
        changed = float(stage.loss(1, 1, 1, torch.Generator().manual_seed(1))["loss"])
    assert [loss < 1e-6 for loss in losses] == _REHEARSES
    assert all(loss > 0.01 for loss, known in zip(losses, _REHEARSES, strict=True) if not known)
    assert changed > 0.01


def test_of_whole_pictures_three_of_five_rehearse_too() -> None:
    """There is one in place of four squares."""
    stage = _stage(Decoder(steps=2, batch_size=4, crop=16, whole_from=0.0), rehearses=True)
    stage.recipe = stage.recipe.model_copy(update={"crop": 8})
    with torch.no_grad():
        losses = [
            float(stage.loss(k, 4 * k, 4, torch.Generator().manual_seed(k))["loss"])
            for k in range(len(_REHEARSES))
        ]
    assert [loss < 1e-6 for loss in losses] == _REHEARSES
    assert all(loss > 0.01 for loss, known in zip(losses, _REHEARSES, strict=True) if not known)


@pytest.mark.parametrize(
    ("crop", "whole_from", "count", "side"), [(8, 1.0, 4, 4), (8, 0.0, 1, 8), (64, 1.0, 4, 8)]
)
@torch.no_grad()
def test_crops_and_whole_pictures_show_as_much(crop: int, whole_from: float, count: int, side: int) -> None:
    """Of latents, unless a picture is smaller than its squares would be."""
    recipe = Decoder(steps=2, batch_size=4).model_copy(update={"crop": crop, "whole_from": whole_from})
    stage = _stage(recipe)
    shapes: list[tuple[int, ...]] = []
    stage.vae.decoder.register_forward_pre_hook(lambda module, given: shapes.append(tuple(given[0].shape)))
    stage.loss(0, 0, 4, torch.Generator().manual_seed(0))
    assert shapes == [(count, _WIDTH + layout.CHANNELS, side, side)]
    assert stage.sheet().size == (8 * _SIZE, 3 * _SIZE)


def test_squares_of_latents_and_of_pictures_are_cut_at_the_same_places() -> None:
    """Where every latent and the pixels that it stands for say which they are, and so do subjects and backgrounds."""
    stage = _stage(Decoder(steps=2, batch_size=8, mask_weight=4.0))
    number, row, column = np.mgrid[:_COUNT, :16, :16]  # of latents
    said = np.concatenate([[16 * number + row, column], np.zeros((layout.CHANNELS, *number.shape))])
    latents = np.moveaxis(said, 0, 1).astype(np.float16)
    pictures = np.stack([number, row, column], 3).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    subjects = ((number + row + column) % 2).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    arrays = replace(stage.train.pictures, pictures=pictures, subjects=subjects)
    ground = np.linspace(0.1, 0.8, _COUNT, dtype=np.float32)
    stage.train = DecoderExamples(arrays, latents, latents, Drawn(latents, ground))
    places = set()
    for step in range(8):
        first, generator = 8 * step, torch.Generator().manual_seed(step)
        kinds = torch.rand(8, generator=torch.Generator().manual_seed(step))
        given, shown, weight = stage._new(step, first, 8, 8, generator)
        assert given.shape == (8, 2 + layout.CHANNELS, 4, 4) and shown.shape == (8, 3, 8, 8)
        pixels = torch.from_numpy(to_pixels(shown)).long()[:, ::2, ::2]  # (B, 4, 4, 3)
        assert torch.equal(given[:, 0].round().long(), 16 * pixels[..., 0] + pixels[..., 1])
        assert torch.equal(given[:, 1].round().long(), pixels[..., 2])
        of = torch.where(kinds < 0.75, torch.from_numpy(ground)[pixels[:, 0, 0, 0]], 1.0).view(-1, 1, 1)
        torch.testing.assert_close(weight[:, 0, ::2, ::2], of + 4 * (pixels.sum(3) % 2))
        places |= {tuple(each) for each in pixels[:, 0, 0, 1:].tolist()}
    assert len(places) > 20


def test_every_second_square_is_about_a_subject() -> None:
    arrays = replace(_arrays(), subjects=np.pad(_arrays().subjects, ((0, 0), (0, 112), (0, 112))))
    chosen, rng = np.arange(_COUNT), np.random.default_rng(0)
    found = squares(arrays.subjects, chosen, 16, 8, rng, 0)
    shown = [bool(arrays.subjects[k, y : y + 16, x : x + 16].any()) for k, y, x in found]
    assert all(shown[1::2]) and not all(shown[::2])
    assert all(y % 8 == 0 and x % 8 == 0 for _, y, x in found)
