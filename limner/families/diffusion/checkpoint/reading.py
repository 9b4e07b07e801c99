"""Reading a checkpoint as people have it: a diffusers folder, or one file in the original layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....engine.samplers import Schedule
from ....errors import InvalidInput, NotFound
from ....registry.json_files import read_object
from ....registry.weight_files import WIDTH, Stored, Written, copied, read_index
from ..tokenizer import ClipTokenizer
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

WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
"""Part -> the name of its weights in diffusers' layout, without the suffix."""

SECOND_ENCODER = "text_encoder_2"
"""The folder that Stable Diffusion XL and later have, and 1 and 2 have not."""

_PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
_OWNER = "text_model."
# Arguments of a UNet that takes more than a text.
_FURTHER = ("class_embed_type", "num_class_embeds", "addition_embed_type", "time_cond_proj_dim")
_OF_XL = "conditioner."  # begins the names of text encoders in XL's original layout
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

    `prediction` says what the UNet predicts: a single file does not, and in a folder it goes before the scheduler's.
    NotFound or InvalidInput names what is missing, damaged, pickled or no Stable Diffusion 1 or 2.
    """
    if source.is_dir():
        return _from_folder(source, prediction)
    if not source.is_file():
        raise NotFound(f"checkpoint '{source}' not found; name a diffusers folder or a .safetensors file")
    refuse_pickle(source)
    return _from_file(source, prediction)


def refuse_pickle(file: Path) -> None:
    """Raise InvalidInput for a file whose name says that it is a pickle."""
    if file.suffix in _PICKLED:
        raise _pickled(file)


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
    if any(name.startswith(_OF_XL) for name in index):
        raise two_encoders(str(file))
    parts = {part: _known(file, tensors) for part, tensors in from_original(index).items()}
    second = is_second(parts["unet"])
    # The second version at 768 px predicts velocity; the file does not tell it from the one at 512 px. What is made for
    # inpainting, with nine channels, goes back to the latter.
    inpaints = (
        parts["unet"]["conv_in.weight"].shape[1:2] == (9,) if "conv_in.weight" in parts["unet"] else False
    )
    chosen: Prediction = prediction or ("v_prediction" if second and not inpaints else "epsilon")
    side = 96 if second and chosen == "v_prediction" else 64
    vae = vae_config(parts["vae"], 0)
    vae["sample_size"] = side * 2 ** (len(vae["block_out_channels"]) - 1)
    configs = {
        "unet": unet_config(parts["unet"], side),
        "vae": vae,
        "text_encoder": text_config(parts["text_encoder"], second),
        "scheduler": scheduler_config(chosen),
    }
    _check_kind(configs)
    return Checkpoint(parts, configs, None)


def _from_folder(folder: Path, prediction: Prediction | None) -> Checkpoint:
    configs = read_configs(folder)
    if prediction is not None:
        configs["scheduler"]["prediction_type"] = prediction
    # Read here, so that what Limner cannot drive is told before anything is copied.
    Schedule.of(configs["scheduler"], folder / "scheduler" / "scheduler_config.json")
    weights = {part: part_weights(folder / part, stem) for part, stem in WEIGHTS.items()}
    weights["vae"] = {_attention_once(name): tensor for name, tensor in weights["vae"].items()}
    return Checkpoint(weights, configs, folder / "tokenizer")


def read_configs(folder: Path) -> dict[str, Config]:
    """The configurations of a diffusers folder, whose weights need not be there yet.

    NotFound or InvalidInput names what is missing or damaged, or why it is no Stable Diffusion 1 or 2.
    """
    missing = [name for name in (*WEIGHTS, "tokenizer", "scheduler") if not (folder / name).is_dir()]
    if missing:
        raise NotFound(f"{folder} is not a diffusers pipeline: it lacks {', '.join(missing)}")
    if (folder / SECOND_ENCODER).is_dir():
        raise two_encoders(str(folder))
    configs = {part: read_object(folder / part / "config.json") for part in WEIGHTS}
    configs["scheduler"] = read_object(folder / "scheduler" / "scheduler_config.json")
    _check_kind(configs)
    ClipTokenizer(folder / "tokenizer")
    return configs


def two_encoders(title: str) -> InvalidInput:
    """What is said of Stable Diffusion XL and later."""
    return InvalidInput(
        f"{title} has two text encoders, as Stable Diffusion XL and later have; only 1 and 2 can be brought in"
    )


def _check_kind(configs: Mapping[str, Config]) -> None:
    """Raise InvalidInput for relatives of Stable Diffusion that want more than a text, noise and a picture."""
    unet, vae = configs["unet"], configs["vae"]
    channels = [unet.get("in_channels", 4), unet.get("out_channels", 4), vae.get("latent_channels", 4)]
    if channels not in ([4, 4, 4], [9, 4, 4]):
        raise InvalidInput(
            f"the unet takes {channels[0]} channels and gives {channels[1]}; only "
            "checkpoints that draw from text (4 and 4) or are made for inpainting (9 and 4) can be brought in"
        )
    if further := [f"{key}={unet[key]!r}" for key in _FURTHER if unet.get(key)]:
        raise InvalidInput(
            f"the unet takes more than a text ({', '.join(further)}), as unCLIP's, XL's and LCM's do; "
            "only checkpoints that draw from text alone can be brought in"
        )


def part_weights(folder: Path, stem: str) -> dict[str, Written]:
    """The tensors of one part of a diffusers folder, whose weights are called `stem`.

    NotFound or InvalidInput names what is missing or pickled.
    """
    names = [file.name for file in folder.iterdir()]
    chosen = weight_files(names, stem)
    if chosen is None:
        if pickled := [name for name in sorted(names) if name.endswith(_PICKLED)]:
            raise _pickled(folder / pickled[0])
        raise NotFound(f"{folder} has no {stem}.safetensors")
    first = folder / chosen
    if first.suffix == ".safetensors":
        return _known(first, read_index(first))
    found: dict[str, Written] = {}
    for name in shards(first):
        if not (folder / name).is_file():
            raise NotFound(f"{first} names '{name}', which is not there")
        found |= _known(folder / name, read_index(folder / name))
    return found


def weight_files(names: Collection[str], stem: str) -> str | None:
    """Of a part's files the one to read: its weights, or the list of several files; float32 before half precision."""
    wanted = [f"{stem}.safetensors", f"{stem}.safetensors.index.json"]
    for half in ("fp16", "bf16"):
        wanted += [
            f"{stem}.{half}.safetensors",
            f"{stem}.safetensors.index.{half}.json",
            f"{stem}.{half}.safetensors.index.json",
        ]
    return next((name for name in wanted if name in names), None)


def shards(listing: Path) -> list[str]:
    """The files that a list of several names, all in its own folder; InvalidInput where it is no such list."""
    placed = read_object(listing).get("weight_map")
    names = list(placed.values()) if isinstance(placed, dict) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise InvalidInput(f"{listing} lists no files of weights beside it")
    return sorted({str(name) for name in names})


def owner(names: Iterable[str]) -> str:
    """What the names of a text encoder's tensors begin with: older files put the owner before them."""
    return _OWNER if any(name.startswith(_OWNER) for name in names) else ""


def _known(file: Path, tensors: Mapping[str, Stored]) -> dict[str, Written]:
    found = {}
    for name, tensor in tensors.items():
        if not name.endswith("position_ids"):  # whole numbers that count up; of no use
            found[name] = weight(file, name, tensor)
    return found


def weight(file: Path, name: str, tensor: Stored) -> Written:
    """A tensor of a file to be copied; InvalidInput where it holds no weights, or not as many as its shape needs."""
    if tensor.dtype not in WIDTH:
        raise InvalidInput(f"{file}: tensor {name!r} is {tensor.dtype}; weights must be F32, F16 or BF16")
    found = copied(file, tensor)
    if found.length != tensor.length:
        raise InvalidInput(f"{file}: tensor {name!r} has {tensor.length} bytes, not what its shape needs")
    return found


def _attention_once(name: str) -> str:
    """The name of today for what diffusers once called the layers of an autoencoder's attention."""
    owner, _, leaf = name.rpartition(".")
    head, _, last = owner.rpartition(".")
    if ".attentions." in owner and last in _ATTENTION_ONCE:
        return f"{head}.{_ATTENTION_ONCE[last]}.{leaf}"
    return name
