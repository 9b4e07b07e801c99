"""What is trained of a network, in the number format of the files that it came from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from limner.errors import InvalidInput, LimnerError
from limner.families.diffusion.derived import trained
from limner.registry.weight_files import rewrite

FILE = Path("unet") / "diffusion_pytorch_model.safetensors"


@pytest.fixture
def unet(tiny_model: Path) -> UNet2DConditionModel:
    network: UNet2DConditionModel = UNet2DConditionModel.from_pretrained(
        tiny_model / "unet", torch_dtype=torch.float32
    )
    return network


def test_numbers_come_back_in_half_precision(
    tiny_model: Path, unet: UNet2DConditionModel, tmp_path: Path
) -> None:
    with torch.no_grad():
        for value in unet.parameters():
            value.mul_(1.1)
    rewrite(tiny_model / FILE, tmp_path / "w.safetensors", trained(tiny_model, {"unet": unet})["unet"])
    for name, value in load_file(tmp_path / "w.safetensors").items():
        assert value.dtype == torch.float16 and torch.equal(value, unet.state_dict()[name].half())


def test_what_does_not_fit_is_named_and_leaves_no_file(
    tiny_model: Path, unet: UNet2DConditionModel, tmp_path: Path
) -> None:
    with torch.no_grad():
        unet.conv_in.weight.add_(1e6)
    with pytest.raises(LimnerError, match=r"conv_in\.weight is not finite in F16; lower learning_rate"):
        rewrite(tiny_model / FILE, tmp_path / "w.safetensors", trained(tiny_model, {"unet": unet})["unet"])
    assert not (tmp_path / "w.safetensors").exists()
    unet.further = torch.nn.Linear(1, 1)
    with pytest.raises(InvalidInput, match=r"no tensor 'further\.weight'"):
        trained(tiny_model, {"unet": unet})
