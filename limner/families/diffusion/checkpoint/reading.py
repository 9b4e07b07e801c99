"""Reading a checkpoint as people have it: a diffusers folder, or one file in the original layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InvalidInput, NotFound
from ....registry.weight_files import WIDTH, Stored, Written, copied, read_index
from .configuration import (
    Config,
    Prediction,
    is_second,
    scheduler_config,
    text_config,
    unet_config,
    vae_config,
)
from .names import from_original, is_original

PARTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
"""Part -> the name of its weights in diffusers' layout, without the suffix."""

_PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
_ATTENTION_ONCE = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose weights are still where they were.

    `weights` of each part under diffusers' names; `configs` of each part and of the scheduler; `tokenizer` is its
    folder, None where the checkpoint has none and CLIP's own is meant.
    """

    weights: dict[str, dict[str, Written]]
    configs: dict[str, Config]
    tokenizer: Path | None

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(tensor.length for part in self.weights.values() for tensor in part.values())


def read_checkpoint(source: Path, prediction: Prediction | None = None) -> Checkpoint:
    """Read the headers and configurations of a checkpoint; no weight is loaded.

    `prediction` says what the UNet predicts where the checkpoint does not: a single file. NotFound or InvalidInput
    names what is missing, damaged, pickled or no Stable Diffusion.
    """
    if source.is_dir():
        return _from_folder(source)
    if not source.is_file():
        raise NotFound(f"checkpoint '{source}' not found; name a diffusers folder or a .safetensors file")
    if source.suffix in _PICKLED:
        raise _pickled(source)
    return _from_file(source, prediction)


def _pickled(file: Path) -> InvalidInput:
    return InvalidInput(
        f"{file} is a pickle, which can run any code when it is opened; take the .safetensors form of the checkpoint"
    )


def _from_file(file: Path, prediction: Prediction | None) -> Checkpoint:
    index = read_index(file)
    if not is_original(index):
        raise InvalidInput(
            f"{file} holds no whole Stable Diffusion checkpoint in the original layout (its tensors begin with "
            f"{', '.join(repr(name) for name in list(index)[:2]) or 'nothing'})"
        )
    parts = {part: _known(file, tensors) for part, tensors in from_original(index).items()}
    second = is_second(parts["unet"])
    # The second version at 768 px predicts velocity; the file does not tell it from the one at 512 px.
    chosen: Prediction = prediction or ("v_prediction" if second else "epsilon")
    side = 96 if second and chosen == "v_prediction" else 64
    vae = vae_config(parts["vae"], 0)
    vae["sample_size"] = side * 2 ** (len(vae["block_out_channels"]) - 1)
    configs = {
        "unet": unet_config(parts["unet"], side),
        "vae": vae,
        "text_encoder": text_config(parts["text_encoder"], second),
        "scheduler": scheduler_config(chosen),
    }
    return Checkpoint(parts, configs, None)


def _from_folder(folder: Path) -> Checkpoint:
    missing = [name for name in (*PARTS, "tokenizer", "scheduler") if not (folder / name).is_dir()]
    if missing:
        raise NotFound(f"{folder} is not a diffusers pipeline: it lacks {', '.join(missing)}")
    scheduler = folder / "scheduler" / "scheduler_config.json"
    configs = {part: read_object(folder / part / "config.json") for part in PARTS}
    configs["scheduler"] = read_object(scheduler)
    weights = {part: _part(folder / part, stem) for part, stem in PARTS.items()}
    weights["vae"] = {_attention_once(name): tensor for name, tensor in weights["vae"].items()}
    weights["text_encoder"] = {
        name: tensor for name, tensor in weights["text_encoder"].items() if not name.endswith("position_ids")
    }
    return Checkpoint(weights, configs, folder / "tokenizer")


def _part(folder: Path, stem: str) -> dict[str, Written]:
    """The tensors of one part: one file, several with an index, or the half-precision variant of either."""
    for name in (stem, f"{stem}.fp16"):
        whole, listing = folder / f"{name}.safetensors", folder / f"{_shards(name)}.index.json"
        if whole.is_file():
            return _known(whole, read_index(whole))
        if listing.is_file():
            files = sorted(set(read_object(listing).get("weight_map", {}).values()))
            found: dict[str, Written] = {}
            for shard in files:
                file = folder / str(shard)
                if file.parent != folder or not file.is_file():
                    raise NotFound(f"{listing} names {shard!r}, which is not there")
                found |= _known(file, read_index(file))
            return found
    pickled = [file for file in sorted(folder.iterdir()) if file.suffix in _PICKLED]
    if pickled:
        raise _pickled(pickled[0])
    raise NotFound(f"{folder} has no {stem}.safetensors")


def _shards(name: str) -> str:
    """The name that an index of several files carries: the variant stands behind the suffix there."""
    stem, dot, variant = name.partition(".")
    return f"{stem}.safetensors{dot}{variant}"


def _known(file: Path, tensors: Mapping[str, Stored]) -> dict[str, Written]:
    found = {}
    for name, tensor in tensors.items():
        if name.endswith("position_ids"):
            continue  # whole numbers that count up; of no use
        if tensor.dtype not in WIDTH:
            raise InvalidInput(f"{file}: tensor {name!r} is {tensor.dtype}; weights must be F32, F16 or BF16")
        found[name] = copied(file, tensor)
        if found[name].length != tensor.length:
            raise InvalidInput(f"{file}: tensor {name!r} has {tensor.length} bytes, not what its shape needs")
    return found


def _attention_once(name: str) -> str:
    """The name of today for what diffusers once called the layers of an autoencoder's attention."""
    owner, _, leaf = name.rpartition(".")
    head, _, last = owner.rpartition(".")
    if ".attentions." in owner and last in _ATTENTION_ONCE:
        return f"{head}.{_ATTENTION_ONCE[last]}.{leaf}"
    return name


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object; NotFound without the file, InvalidInput where it is none."""
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"no configuration at {file}") from None
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{file} is not a JSON object")
    return value
