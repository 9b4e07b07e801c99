"""An autoencoder that carries the channels that say what stands where."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from limner.families import layout
from limner.families.diffusion import widening
from limner.families.diffusion.autoencoder_stage import build_autoencoder
from limner.families.diffusion.model import build_unet
from limner.families.diffusion.parent import parent_weights, take_weights
from limner.families.diffusion.recipe import Autoencoder


def _autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    recipe = Autoencoder(steps=1, channels=(8, 16), latent_channels=4)
    return build_autoencoder(recipe, 32).eval().requires_grad_(False)


def test_a_wider_autoencoder_makes_the_same_pictures_of_the_same_latents() -> None:
    vae = _autoencoder()
    pictures, channels = torch.rand(6, 3, 32, 32) * 2 - 1, torch.randn(6, layout.CHANNELS, 16, 16)
    wide = widening.widened(vae, pictures, channels)
    narrow, found = vae.encode(pictures).latent_dist, wide.encode(pictures).latent_dist
    assert wide.config.latent_channels == 4 + layout.CHANNELS
    torch.testing.assert_close(found.mean[:, :4], narrow.mean)
    torch.testing.assert_close(found.logvar[:, :4], narrow.logvar)
    latents = torch.randn(2, 4 + layout.CHANNELS, 16, 16)
    torch.testing.assert_close(wide.decode(latents).sample, vae.decode(latents[:, :4]).sample)


def test_the_decoder_can_learn_to_read_each_of_the_new_channels() -> None:
    """Where both convolutions that a channel goes through were zero, neither would ever learn."""
    wide = widening.widened(_autoencoder(), torch.rand(2, 3, 32, 32), torch.randn(2, layout.CHANNELS, 16, 16))
    wide.requires_grad_(True)
    wide.decode(torch.randn(2, 4 + layout.CHANNELS, 16, 16)).sample.square().mean().backward()
    reads = wide.decoder.conv_in.weight.grad
    assert reads is not None and (reads[:, 4:].abs().amax((0, 2, 3)) > 0).all()


def test_a_decoder_that_reads_fewer_channels_is_taken_and_draws_the_same() -> None:
    vae = _autoencoder()
    pictures = torch.rand(2, 3, 32, 32)
    few = widening.widened(vae, pictures, torch.randn(2, layout.CHANNELS, 16, 16))
    narrow = {name: weight.clone() for name, weight in vae.state_dict().items()}
    narrow["post_quant_conv.weight"] = torch.randn_like(narrow["post_quant_conv.weight"])
    assert widening.take_decoder(few, narrow)
    latents = torch.randn(2, 4 + layout.CHANNELS, 16, 16)
    vae.load_state_dict(narrow)
    torch.testing.assert_close(few.decode(latents).sample, vae.decode(latents[:, :4]).sample)
    assert torch.equal(few.post_quant_conv.weight[4:, 4:, 0, 0], torch.eye(layout.CHANNELS))


def test_the_encoder_guesses_the_new_channels_by_least_squares() -> None:
    """What is a linear function of the encoder's last features is found but for the ridge."""
    vae = _autoencoder()
    pictures = torch.rand(6, 3, 32, 32) * 2 - 1
    linear = torch.nn.Conv2d(16, layout.CHANNELS, 3, padding=1)
    seen: list[torch.Tensor] = []
    hook = vae.encoder.conv_out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    vae.encode(pictures)
    hook.remove()
    channels = linear(seen[0]).detach()
    guess = widening.widened(vae, pictures, channels).encode(pictures).latent_dist.mean[:, 4:]
    assert float((guess - channels).square().mean() / channels.var()) < 0.01


def test_a_child_takes_the_narrow_part_of_its_parent_and_then_its_decoder(tmp_path: Path) -> None:
    vae = _autoencoder()
    pictures, channels = torch.rand(2, 3, 32, 32), torch.randn(2, layout.CHANNELS, 16, 16)
    wide = widening.widened(vae, pictures, channels)
    torch.nn.init.normal_(wide.decoder.conv_in.weight)  # it has learned to read the layout
    wide.save_pretrained(tmp_path / "vae")
    torch.manual_seed(1)
    child = build_autoencoder(Autoencoder(steps=1, channels=(8, 16), latent_channels=4), 32)
    assert take_weights(child, tmp_path, "vae")
    learned = "decoder.conv_in.weight"
    for name, weight in child.state_dict().items():
        if name != learned:
            torch.testing.assert_close(weight, vae.state_dict()[name])
    again = widening.widened(child, pictures, channels)
    assert widening.take_decoder(again, parent_weights(tmp_path, "vae"))
    torch.testing.assert_close(again.state_dict()[learned], wide.state_dict()[learned])
    assert not widening.take_decoder(child, parent_weights(tmp_path, "vae"))  # which has no place for them


def test_a_denoiser_of_more_channels_goes_on_from_one_of_fewer(tmp_path: Path) -> None:
    config = {"sample_size": 8, "block_out_channels": (8, 16), "norm_num_groups": 8, "cross_attention_dim": 8}
    config |= {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    config |= {"layers_per_block": 1, "attention_head_dim": 1, "mid_block_type": None}
    few, many = (build_unet(config | {"in_channels": n, "out_channels": n}).eval() for n in (4, 6))
    few.save_pretrained(tmp_path / "unet")
    assert take_weights(many, tmp_path, "unet")
    latents, states = torch.randn(2, 6, 8, 8), torch.randn(2, 3, 8)
    with torch.no_grad():
        made = many(latents, 5, states).sample
        torch.testing.assert_close(made[:, :4], few(latents[:, :4], 5, states).sample)
    assert not made[:, 4:].any()
    many.save_pretrained(tmp_path / "more" / "unet")
    assert not take_weights(few, tmp_path / "more", "unet")
