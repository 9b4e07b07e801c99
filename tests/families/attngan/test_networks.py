"""The networks: parameter counts at the published widths, shapes, and the pieces against slow obvious versions."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from limner.errors import InvalidInput, NotFound, Unavailable
from limner.families.attngan.damsm import Convolutions, ImageEncoder, Inception
from limner.families.attngan.discriminator import discriminators
from limner.families.attngan.generator import Generator, WordAttention
from limner.families.attngan.shape import Shape
from limner.families.attngan.text import TextEncoder, mask_of

SMALL = Shape(
    vocabulary=20, tokens=6, embedding=8, text_width=12, noise=10, condition=6, channels=4, doublings=2
)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


class _Wide(nn.Module):
    regions, whole = Inception.regions, Inception.whole


def test_published_parameter_counts() -> None:
    shape = Shape()
    with torch.device("meta"):
        assert _parameters(TextEncoder(shape)) == 2_075_320
        assert _parameters(ImageEncoder(_Wide(), shape.text_width)) == 721_152
        generator = Generator(shape)
        assert _parameters(generator) == 7_084_592
        assert _parameters(generator.conditioning) == 102_800
        assert _parameters(generator.first) == 6_444_928
        assert [_parameters(stage) for stage in generator.next] == [267_136] * 2
        assert [_parameters(head) for head in generator.heads] == [864] * 3
        assert [_parameters(each) for each in discriminators(shape)] == [6_313_730, 19_424_002, 71_858_946]
    assert shape.sides == (64, 128, 256)


def test_every_part_gives_the_shape_that_it_promises() -> None:
    with torch.device("meta"):
        shape = Shape()
        words, sentence = torch.empty(2, 256, 25), torch.empty(2, 256)
        mask = torch.empty(2, 25, dtype=torch.bool)
        made = Generator(shape)(words, sentence, mask, torch.empty(2, 100), torch.empty(2, 100))
        assert [p.shape for p in made.pictures] == [(2, 3, side, side) for side in (64, 128, 256)]
        assert [m.shape for m in made.attention] == [(2, 25, 64, 64), (2, 25, 128, 128)]
        assert made.mean.shape == made.logvar.shape == (2, 100)
        for network, picture in zip(discriminators(shape), made.pictures, strict=True):
            features = network(picture)
            assert features.shape == (2, 512, 4, 4)
            assert network.real(features).shape == network.real_and_said(features, sentence).shape == (2,)  # type: ignore[operator]
        regions, whole = ImageEncoder(Convolutions((8, 16, 32, 64)), 256)(torch.empty(2, 3, 128, 128))
        assert (regions.shape, whole.shape) == ((2, 256, 16, 16), (2, 256))


def test_smaller_shapes_have_smaller_pictures() -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL)
    made = generator(
        torch.randn(3, 12, 6), torch.randn(3, 12), mask_of(torch.tensor([6, 1, 3]), 6),
        torch.randn(3, 10), torch.randn(3, 6),
    )  # fmt: skip
    assert [p.shape[-1] for p in made.pictures] == [16, 32, 64] == list(SMALL.sides)
    for network, picture in zip(discriminators(SMALL, 4), made.pictures, strict=True):
        assert network(picture).shape == (3, 8, 4, 4)


def test_the_backward_direction_begins_at_the_last_word() -> None:
    """A text is encoded as if it stood alone and nothing filled it up; the graph's steps give the same."""
    torch.manual_seed(0)
    encoder = TextEncoder(SMALL).eval()
    ids, lengths = torch.randint(1, 20, (4, 6)), torch.tensor([6, 1, 3, 4])
    words, sentence = encoder(ids, lengths)
    assert words.shape == (4, 12, 6) and sentence.shape == (4, 12)
    for k, length in enumerate(lengths.tolist()):
        states, (last, _) = encoder.lstm(encoder.embedding(ids[k : k + 1, :length]))
        assert torch.allclose(words[k, :, :length], states[0].T, atol=1e-6)
        assert not words[k, :, length:].any()
        assert torch.allclose(sentence[k], last[:, 0].flatten(), atol=1e-6)
    found = encoder.unrolled(ids, mask_of(lengths, 6).float())
    assert torch.allclose(found[0], words, atol=1e-6) and torch.allclose(found[1], sentence, atol=1e-6)


def test_attention_is_that_of_each_place_of_each_picture_alone() -> None:
    """Above all each text of a batch hides its own filling, at every place."""
    torch.manual_seed(0)
    attention = WordAttention(4, 12)
    state, words = torch.randn(3, 4, 2, 5), torch.randn(3, 12, 6)
    mask = mask_of(torch.tensor([2, 6, 4]), 6)
    context, maps = attention(state, words, mask)
    weight = attention.project.weight[:, :, 0, 0]
    for b in range(3):
        keys = [weight @ words[b, :, t] for t in range(6) if mask[b, t]]
        for y in range(2):
            for x in range(5):
                scores = torch.stack([key @ state[b, :, y, x] for key in keys])
                share = scores.exp() / scores.exp().sum()
                expected = sum(s * key for s, key in zip(share, keys, strict=True))
                assert torch.allclose(maps[b, : len(keys), y, x], share, atol=1e-5)
                assert not maps[b, len(keys) :, y, x].any()
                assert torch.allclose(context[b, :, y, x], torch.as_tensor(expected), atol=1e-5)


def test_inception_needs_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"torchvision.*leave the key out"):
        Inception(tmp_path / "none.pth")


def test_inception_runs_torchvisions_layers_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in of the same layer names, for torchvision is not there where this is tested."""

    def network(**options: object) -> nn.Module:
        made = nn.Module()
        wide = {"Mixed_6e": 768, "Mixed_7c": 2048}
        into = 3
        for name in (*_layers("Conv2d", "1a_3x3 2a_3x3 2b_3x3 3b_1x1 4a_3x3"), *_layers("Mixed", _MIXED)):
            out = wide.get(name, 4)
            made.add_module(
                name, nn.Conv2d(into, out, 1, stride=2 if name in ("Mixed_6a", "Mixed_7a") else 1)
            )
            into = out
        return made

    models = ModuleType("torchvision.models")
    models.inception_v3 = network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(NotFound, match=r"damsm\.inception: .*none"):
        Inception(tmp_path / "none.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InvalidInput, match="is no Inception-v3"):
        Inception(tmp_path / "other.pth")
    torch.save(network().state_dict(), tmp_path / "inception.pth")
    encoder = ImageEncoder(Inception(tmp_path / "inception.pth"), 12).train()
    regions, whole = encoder(torch.randn(2, 3, 32, 32))
    assert regions.shape[:2] == (2, 12) and whole.shape == (2, 12)
    assert not encoder.trunk.training
    assert {name for name, p in encoder.named_parameters() if p.requires_grad} == {
        "regions.weight", "whole.weight", "whole.bias",
    }  # fmt: skip


_MIXED = "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c"


def _layers(kind: str, names: str) -> list[str]:
    return [f"{kind}_{name}" for name in names.split()]
