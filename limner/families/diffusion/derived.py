"""The model directory that comes out of tuning or distilling: the parent's, with other numbers where some were trained.

A weights file keeps its order and number format, so that the parent's graphs fit it as they are. A LoRA is written
as a file of its own and then laid on as any other is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import SchedulerMixin, StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel

from ...errors import InvalidInput, LimnerError
from ...registry.json_files import read_object
from ...registry.making import made_whole
from ...registry.manifest import Manifest, Parted
from ...registry.models import Model, open_model
from ...registry.weight_files import Stored, Written, copied, read_index, read_metadata, rewrite
from .checkpoint.lora import LEARNED, rounded, told_of, with_lora
from .checkpoint.reading import WEIGHTS, owner
from .lora_layers import ADAPTER, part_differences
from .new_words import embedding_of

LORA_NAME = "pytorch_lora_weights.safetensors"
# What was measured on other numbers, or found for them.
_OF_THE_PARENT = ("*int8.json", "*.partial")


def write_lora(
    networks: dict[str, nn.Module], folder: Path, strength: float = 1.0, learned: Sequence[Parted] = ()
) -> Path:
    """Write the LoRA of networks, by their part, at that strength, as the file that diffusers' `load_lora_weights`
    takes. It names the sets that it has `learned` from by their hashes: a model that it is laid on knows them then."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {}
    for part, network in networks.items():
        part_differences(network)
        layers = get_peft_model_state_dict(network, adapter_name=ADAPTER)
        told[f"{part}_lora_layers"] = {
            name: value.float().cpu() * (strength if ".lora_B." in name else 1.0)
            for name, value in layers.items()
        }
        configs: Any = network.peft_config
        config: LoraConfig = configs[ADAPTER]
        told[f"{part}_lora_adapter_metadata"] = {
            "r": config.r,
            "lora_alpha": config.lora_alpha,
            "target_modules": sorted(config.target_modules or ()),
        }
    file = folder / LORA_NAME
    StableDiffusionPipeline.save_lora_weights(folder, weight_name=LORA_NAME, **told)
    save_file(load_file(file), file, read_metadata(file) | {LEARNED: told_of(learned)})
    return file


def laid_on(parent: Path, lora: Path) -> dict[str, dict[str, Written]]:
    """The tensors of each part of a model directory that a LoRA changes, changed."""
    before = {part: _stored(parent, part) for part in ("unet", "text_encoder")}
    after = with_lora(before, lora, 1.0)
    return {
        part: {name: tensor for name, tensor in tensors.items() if tensor is not before[part][name]}
        for part, tensors in after.items()
    }


def _stored(directory: Path, part: str) -> dict[str, Written]:
    file = directory / part / f"{WEIGHTS[part]}.safetensors"
    return {name: copied(file, tensor) for name, tensor in read_index(file).items()}


def trained(
    parent: Path, networks: dict[str, nn.Module], strength: float = 1.0
) -> dict[str, dict[str, Written]]:
    """The tensors of networks that were tuned whole, in the number format of the parent's files: that part of the way
    from the parent's to theirs.

    LimnerError where one is not finite in it.
    """
    made = {}
    for part, network in networks.items():
        file = parent / part / f"{WEIGHTS[part]}.safetensors"
        index = read_index(file)
        within = owner(index)
        tensors = {}
        for name, value in network.state_dict().items():
            key = name if name in index else within + name
            if key not in index:
                raise InvalidInput(f"{parent}: the weights of {part} have no tensor {name!r}")
            tensors[key] = _written(part, key, partial(_blended, value, strength, file, key), index[key])
        made[part] = tensors
    return made


def learned_words(parent: Path, text_encoder: CLIPTextModel) -> dict[str, dict[str, Written]]:
    """The embedding of a text encoder's tokens, as the file of the model `parent` has it."""
    part = "text_encoder"
    index = read_index(parent / part / f"{WEIGHTS[part]}.safetensors")
    key = embedding_of(index)
    rows = text_encoder.get_input_embeddings().weight
    return {part: {key: _written(part, key, rows.detach, index[key])}}


def _blended(value: torch.Tensor, strength: float, file: Path, name: str) -> torch.Tensor:
    """A value, at a `strength` below 1 that part of the way from the one of that name in a file."""
    value = value.detach().float().cpu()
    if strength == 1:
        return value
    with safe_open(file, "pt") as before:
        was: torch.Tensor = before.get_tensor(name).float()
    return was + strength * (value - was)


def _written(part: str, name: str, value: Callable[[], torch.Tensor], stored: Stored) -> Written:
    """A tensor of a file, made when it is written."""

    def parts() -> Iterator[bytes]:
        numbers = value().float().cpu().numpy()
        most = torch.finfo(torch.float16 if stored.dtype == "F16" else torch.float32).max
        if not float(abs(numbers).max(initial=0)) <= most:
            raise LimnerError(f"{part}: weight {name} is not finite in {stored.dtype}; lower learning_rate")
        yield rounded(numbers, stored.dtype)

    return Written(stored.dtype, stored.shape, parts)


def write_model(
    parent: Model,
    out: Path,
    changed: dict[str, dict[str, Written]],
    manifest: Manifest,
    scheduler: SchedulerMixin | None = None,
    check: Callable[[Path], object] | None = None,
) -> Model:
    """Write the model directory `out`: the parent's parts with the changed tensors, this manifest, and perhaps
    another scheduler. Nothing is written where `check` of the directory raises."""
    with made_whole(out) as partial:
        partial.mkdir(parents=True)
        for part in sorted(entry.name for entry in parent.path.iterdir() if entry.is_dir()):
            weights = f"{WEIGHTS[part]}.safetensors" if changed.get(part) else ""
            left_out = shutil.ignore_patterns(*_OF_THE_PARENT, weights)
            shutil.copytree(parent.path / part, partial / part, ignore=left_out)
            if weights:
                rewrite(parent.path / part / weights, partial / part / weights, changed[part])
        index = read_object(parent.path / "model_index.json")
        if scheduler is not None:
            scheduler.save_pretrained(partial / "scheduler")
            index["scheduler"] = ["diffusers", type(scheduler).__name__]
        (partial / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        manifest.write(partial)
        if check is not None:
            check(partial)
    return open_model(out)
