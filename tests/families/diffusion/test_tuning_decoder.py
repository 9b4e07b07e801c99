"""Teaching the decoder of the built-in model what it is tuned on: new kinds, their mirror images, what it rehearses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from limner.data.arrays import picture_arrays
from limner.data.captioned import read_set
from limner.data.storybook import write_storybook
from limner.data.subjects import cell_shares, subject_names
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput
from limner.families import layout
from limner.families.diffusion import tuning_decoder
from limner.families.diffusion.drawing import Captioned, Drawn
from limner.families.diffusion.recipe import TuningRecipe
from limner.families.diffusion.tunable import load_tunable
from limner.families.diffusion.tuning_examples import Encoders, load_autoencoder
from limner.families.diffusion.tuning_stage import TuningStage
from limner.registry import Registry
from limner.registry.models import BUILT_IN, Model, open_model
from limner.storybook.worlds import world
from limner.training.cache import ArrayCache
from limner.training.pictures import to_tensor
from limner.training.run import train

_RECIPE = """
[data]
storybook_world = "creatures"
storybook_count = 4
held_out = 0.25
flip = true
[tuning]
steps = 1
batch_size = 1
text_encoder = true
{tuning}
[decoder]
batch_size = 1
{decoder}
"""
_VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def storybook() -> Model:
    """The built-in model."""
    return open_model(BUILT_IN / "storybook")


def _tuned(
    folder: Path,
    parent: Model,
    tuning: str = "",
    data: Path | None = None,
    decoder: str = "steps = 2\ncrop = 32",
) -> Model:
    (folder / "recipe.toml").write_text(_RECIPE.format(tuning=tuning, decoder=decoder), encoding="utf-8")
    return train(folder / "recipe.toml", folder / "out", False, parent, data)


def test_the_decoder_of_the_built_in_model_is_tuned_and_draws(storybook: Model, tmp_path: Path) -> None:
    made = _tuned(tmp_path, storybook)
    old, new = (load_file(each.path / _VAE) for each in (storybook, made))
    changed = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"decoder", "post_quant_conv"}
    known, scale = storybook.manifest.layout, made.manifest.layout
    assert known is not None and scale is not None and scale.names[: len(known.names)] == known.names
    assert {"eyes", "tail"} <= set(scale.names[len(known.names) :]) and sum(scale.further) > 0
    studio = LocalStudio(Registry(tmp_path / "data"))
    asked = DrawRequest(prompt="a red creature", model=str(made.path), seed=1, steps=2)
    assert studio.draw(asked).pixels.shape == (128, 128, 3)
    studio.close()


def test_a_decoder_may_lie_a_part_of_the_way_from_what_it_was(storybook: Model, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    whole = _tuned(tmp_path / "a", storybook, decoder="steps = 2\ncrop = 32\nlearning_rate = 0.1\nwarmup = 0")
    part = _tuned(
        tmp_path / "b",
        storybook,
        decoder="steps = 2\ncrop = 32\nlearning_rate = 0.1\nwarmup = 0\n[model]\ndecoder_strength = 0.25",
    )
    was, all_of_it, some = (load_file(each.path / _VAE) for each in (storybook, whole, part))
    moved = 0
    for key, value in was.items():
        way = all_of_it[key].float() - value.float()
        moved += int(way.abs().max() > 0.02)
        torch.testing.assert_close(some[key].float(), value.float() + 0.25 * way, atol=5e-3, rtol=1e-2)
    assert moved > 5


def test_it_learns_on_every_picture_and_its_mirror_image(storybook: Model, tmp_path: Path) -> None:
    made = _tuned(tmp_path, storybook)
    drawn = load_file(tmp_path / "out" / "decoder" / "drawn-train.safetensors")["latents"]
    assert len(drawn) == 6  # three, and three mirrored
    scale = made.manifest.layout
    assert scale is not None
    told = drawn[:, -layout.CHANNELS :].float() * torch.tensor(scale.std).view(1, -1, 1, 1)
    codes = (told + torch.tensor(scale.mean).view(1, -1, 1, 1))[:, 3:8].permute(0, 2, 3, 1).reshape(-1, 5)
    nearest = torch.cdist(codes, torch.from_numpy(layout.codes_of(scale))).argmin(1)
    assert any(int(kind) >= len(scale.names) - sum(scale.further) for kind in nearest)


def test_pictures_subjects_and_latents_are_of_one_picture_turned_alike(
    storybook: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three pictures, and then the mirror images of those."""
    items = read_set(write_storybook(tmp_path / "creatures", 3, 128, 31, world="creatures")).items
    assert storybook.manifest.layout is not None
    scale = layout.with_kinds(storybook.manifest.layout, subject_names(items))
    recipe = TuningRecipe.model_validate({"tuning": {"steps": 1, "text_encoder": True}})
    model = load_tunable(storybook, recipe.tuning, 0, 128)
    encoders = Encoders(storybook.path, model.tokenizer, ArrayCache(tmp_path / "cache"), "float32")
    part = encoders.examples(items, 128, 64, False, True, scale, False)
    stage = TuningStage(recipe.tuning, model, part, part, encoders, 3.0, 0)
    arrays = picture_arrays(items, 128, tmp_path / "cache", scale.names)
    asked: list[Captioned] = []

    def noted(unet: object, text: object, empty: object, known: Captioned, *rest: object) -> Drawn:
        asked.append(known)
        return Drawn(known.latents, np.ones(len(known.latents), np.float32))

    monkeypatch.setattr(tuning_decoder, "drawn_once", noted)
    sampler, file = storybook.manifest.stepping, tmp_path / "drawn"
    found = tuning_decoder._drawn(recipe, stage, sampler, part, arrays, 2, file)
    pictures, subjects = found.pictures.pictures, found.pictures.subjects
    assert np.array_equal(pictures[:2], arrays.pictures[[0, 2]])
    assert np.array_equal(pictures[2:], pictures[:2, :, ::-1]) and not np.array_equal(
        pictures[2:], pictures[:2]
    )
    means = load_autoencoder(storybook.path).encode(to_tensor(pictures)).latent_dist.mean.numpy()
    assert np.abs(means - found.guessed).max() < 2e-2
    at = -layout.CHANNELS
    assert np.array_equal(found.true[:, :at], found.guessed[:, :at])
    shares = np.stack([cell_shares(each, 128 // means.shape[-1]) for each in subjects])
    filled = found.true[:, at].astype(np.float32) * scale.std[0] + scale.mean[0]
    assert np.abs((filled + 1) / 2 - shares).max() < 0.01
    for row, example in enumerate([0, 2, 0, 2]):
        said = asked[0].tokens[asked[0].first[row] : asked[0].first[row + 1]]
        assert np.array_equal(said, part.tokens[part.first[example] : part.first[example + 1]])


def test_what_it_rehearses_is_decoded_nearer_to_what_it_was(storybook: Model, tmp_path: Path) -> None:
    """Forty steps on creatures alone, and with drawings of scenes among them; then scenes as they are encoded."""
    scenes = np.stack([np.asarray(world("scenes").example(5, k, 128).image) for k in range(4)])
    before = load_autoencoder(storybook.path)
    latents = before.encode(to_tensor(scenes)).latent_dist.mean
    was, apart = before.decode(latents).sample, dict[str, float]()
    for name, rehearsal in (("with", 0.5), ("without", 0.0)):
        (tmp_path / name).mkdir()
        tuning = f"rehearsal = {rehearsal}\nrehearsed = 4\nema_decay = 0.0"
        made = _tuned(tmp_path / name, storybook, tuning, decoder="steps = 40\nwarmup = 1\nema_decay = 0.0")
        apart[name] = float((load_autoencoder(made.path).decode(latents).sample - was).abs().mean())
    assert 0 < apart["with"] < 0.8 * apart["without"]


def test_a_decoder_learns_on_squares(storybook: Model, tmp_path: Path) -> None:
    data = tmp_path / "pictures"
    data.mkdir()
    for k in range(4):
        Image.new("RGB", (128, 128 if k % 2 else 256), (50 * k, 0, 0)).save(data / f"{k}.png")
        (data / f"{k}.txt").write_text("a thing\n", encoding="utf-8")
    assert len(read_set(data).items) == 4
    with pytest.raises(InvalidInput, match=r"^decoder\.steps needs pictures of one shape"):
        _tuned(tmp_path, storybook, data=data)


def test_pictures_of_several_shapes_that_are_held_out_are_refused_too() -> None:
    recipe = TuningRecipe.model_validate({"tuning": {"steps": 1}, "decoder": {"steps": 1}})

    def part(shape: tuple[int, ...], sizes: int) -> Any:
        return SimpleNamespace(cache={"l": np.zeros(shape)}, latents=[["l"]], groups=[np.arange(1)] * sizes)

    square, wide, mixed = part((8, 4, 4), 1), part((8, 4, 6), 1), part((8, 4, 4), 2)
    tuning_decoder.check_decoder(recipe, [square, square])
    for held_out in (wide, mixed):
        with pytest.raises(InvalidInput, match=r"^decoder\.steps needs pictures of one shape"):
            tuning_decoder.check_decoder(recipe, [square, held_out])


def test_a_crop_is_of_whole_latents(storybook: Model, tmp_path: Path) -> None:
    learned = tmp_path / "out" / "tuning"
    learned.mkdir(parents=True)
    (tmp_path / "out" / "recipe.json").write_text("{}", encoding="utf-8")
    message = r"^decoder\.crop must be a multiple of 8 pixels .* not 36; set crop = 32 in \[decoder\]$"
    with pytest.raises(InvalidInput, match=message) as raised:
        _tuned(tmp_path, storybook, decoder="steps = 2\ncrop = 36")
    assert raised.value.field == "decoder.crop" and learned.is_dir()


def test_a_model_that_reads_no_layout_keeps_its_decoder(storybook: Model, tmp_path: Path) -> None:
    plain = storybook.manifest.model_copy(update={"layout": None})
    without = replace(storybook, manifest=plain)
    with pytest.raises(InvalidInput, match=r"^decoder\.steps: the decoder of model 'storybook' reads no"):
        _tuned(tmp_path, without)
