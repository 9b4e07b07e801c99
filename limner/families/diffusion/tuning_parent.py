"""Whether a model can be tuned, and on pictures of which sizes, as its manifest and its configurations say."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import InvalidInput
from ...registry.json_files import read_object
from ...registry.models import Model

_FEW_STEPS = 8
_LEVELS = (320, 640, 1280, 1280)  # diffusers' own, where the configuration of a denoiser says nothing


def check_tunable(parent: Model) -> None:
    """InvalidInput where a model cannot be tuned: of another family, distilled, or one for inpainting."""
    if parent.manifest.family != "diffusion":
        raise InvalidInput(f"model '{parent.name}' is of family {parent.manifest.family}, not diffusion")
    sampler = parent.manifest.stepping
    if sampler.guidance_scale == 1 and (sampler.steps <= _FEW_STEPS or _is_distilled(parent)):
        raise InvalidInput(
            f"model '{parent.name}' was made to draw in {sampler.steps} steps without guidance, which tuning would "
            f"undo; tune the model that it comes from ({parent.manifest.lineage.parent or 'not known'}) and distil that"
        )
    unet, vae = (read_object(parent.path / part / "config.json") for part in ("unet", "vae"))
    if unet.get("in_channels", 4) != vae.get("latent_channels", 4):
        raise InvalidInput(
            f"model '{parent.name}' reads a mask beside the latents; tune the checkpoint that it was made from"
        )


def _is_distilled(model: Model) -> bool:
    """Whether what it learned last was to draw in a student's steps (`training.distilling`)."""
    try:
        return "student_steps" in json.loads(model.manifest.lineage.recipe)
    except ValueError:
        return False


def sides(directory: Path) -> tuple[int, int]:
    """Of a model directory: pixels of a picture to one latent along each side, and of how many pixels the sides of
    pictures must be multiples for every level of the denoiser to have whole latents."""
    unet, vae = (read_object(directory / part / "config.json") for part in ("unet", "vae"))
    factor = int(2 ** (len(vae["block_out_channels"]) - 1))
    return factor, factor * int(2 ** (len(unet.get("block_out_channels", _LEVELS)) - 1))
