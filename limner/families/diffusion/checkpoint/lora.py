"""LoRA files laid on a checkpoint: W + scale * alpha / rank * B A (Hu et al., 2021), in the namings in use.

- diffusers and peft: `unet.<module>.lora_A.weight`, and before them `.lora.down.weight`, `.processor.to_q_lora.down`;
- kohya's trainers: `lora_unet_<module with underscores>.lora_down.weight`, with an `.alpha`;
- peft and diffusers saving one network: the module alone, or behind `base_model.model.`, whose alpha is in the file's
  metadata or in `adapter_config.json` beside it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ....errors import InvalidInput, NotFound
from ....registry.json_files import read_object
from ....registry.manifest import Parted
from ....registry.weight_files import Stored, Written, copied, read_index, read_metadata
from .reading import weight

_PARTS = {
    "unet_": "unet",
    "text_encoder_": "text_encoder",
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
}
_KINDS = {"lora_A": "down", "lora_down": "down", "down": "down", "lora_B": "up", "lora_up": "up", "up": "up"}
_WHOLE = ("I64", "I32", "I16", "I8")
_MOST = {"F16": 65504.0, "BF16": 3.3895e38, "F32": 3.4028e38}  # the largest finite number
_PEFT, _BESIDE, _WRAPPED = "lora_adapter_metadata", "adapter_config.json", "base_model.model."
LEARNED = "limner_learned"
"""Under this name a LoRA's metadata has the sets that it has learned from."""
_SETS = TypeAdapter(tuple[Parted, ...])
_SAID = {"unet.": "unet", "text_encoder.": "text_encoder"}
_ONCE = re.compile(r"_self_attn_to_([qkv]|out)$")  # diffusers' earlier names in text encoders
_LEAF = re.compile(
    r"(?P<module>.+?)(?:\.lora|\.lora_linear_layer|_lora)?\.(?P<kind>lora_A|lora_B|lora_down|lora_up|down|up)"
    r"(?:\.default)?\.weight"
)


@dataclass(frozen=True)
class _Pair:
    down: Written  # (rank, in, ...)
    up: Written  # (out, rank, ...)
    alpha: float | None


def with_lora(
    weights: Mapping[str, Mapping[str, Written]], file: Path, scale: float
) -> dict[str, dict[str, Written]]:
    """The weights of all parts with a LoRA of `scale` added; each sum is made when the weight is written.

    InvalidInput names a tensor of the file that cannot be laid on: of another kind of adapter, for a module that
    the checkpoint does not have, or of another shape.
    """
    check_lora(file, scale)
    made = {part: dict(tensors) for part, tensors in weights.items()}
    for part, name, pair in _pairs(file, weights):
        base = made[part][name]
        down, up = pair.down.shape, pair.up.shape
        fits = len(up) == len(down) == len(base.shape) > 1 and set(up[2:]) <= {1} and up[1] == down[0] > 0
        if not fits or up[0] != base.shape[0] or down[1:] != base.shape[1:]:
            raise InvalidInput(
                f"{file}: {part} {name} is {list(base.shape)}, the LoRA's {list(up)} times {list(down)} is not; "
                "it was made for another model"
            )
        made[part][name] = _sum(base, pair, scale, f"{file}: {part} {name}")
    return made


def told_of(learned: Sequence[Parted]) -> str:
    """Sets that were learned from, as a LoRA notes them under `LEARNED`, without the folders of who made it."""
    return json.dumps([each.model_dump(exclude={"folder"}) for each in learned])


def learned_by(file: Path) -> tuple[Parted, ...]:
    """The sets that a LoRA says it has learned from; none where it says nothing that is understood."""
    try:
        return _SETS.validate_json(read_metadata(file).get(LEARNED, "[]"))
    except ValidationError:
        return ()


def check_lora(file: Path, scale: float) -> None:
    """Raise what `with_lora` does of the file alone, by its header, whatever it is to be laid on."""
    if not math.isfinite(scale):
        raise InvalidInput(
            f"{file}: the LoRA's scale is {scale}; it must be a number such as 0.8", field="lora"
        )
    if not file.is_file():
        raise NotFound(f"LoRA file '{file}' not found")
    if file.suffix != ".safetensors":
        raise InvalidInput(
            f"{file}: a LoRA must be a .safetensors file; others can run code when they are opened"
        )
    names = [key for key in read_index(file) if not key.endswith(".alpha")]
    if strange := [key for key in names if _LEAF.fullmatch(key) is None]:
        raise InvalidInput(f"{file}: tensor {strange[0]!r} belongs to an adapter that is not plain LoRA")
    if not names:
        raise InvalidInput(f"{file} holds no LoRA")


def _pairs(file: Path, weights: Mapping[str, Mapping[str, Written]]) -> Iterator[tuple[str, str, _Pair]]:
    """Part, name of the weight, and what is added to it."""
    places = {part: {_flat(name): name for name in tensors} for part, tensors in weights.items()}
    halves: dict[str, dict[str, Written]] = {}  # of each module, by its name in the file without dots
    alphas: dict[str, float] = {}
    for key, stored in read_index(file).items():
        if key.endswith(".alpha"):
            alphas[_flat(key.removesuffix(".alpha"))] = _number(file, key, stored)
            continue
        told = _LEAF.fullmatch(key)
        assert told is not None, "as check_lora has seen"
        halves.setdefault(_flat(told["module"]), {})[_KINDS[told["kind"]]] = weight(file, key, stored)
    whole = _whole(halves, places)
    said = _said_alphas(file, whole)
    for module, both in halves.items():
        if len(both) < 2:
            raise InvalidInput(f"{file}: the LoRA of {module!r} lacks one of its two matrices")
        part, name = _place(file, module, whole, places)
        yield part, name, _Pair(both["down"], both["up"], alphas.get(module, said.get(part)))


def _whole(modules: Collection[str], places: Mapping[str, Mapping[str, str]]) -> str | None:
    """The one part that all modules are of, where the file does not say it before their names."""
    if any(module.startswith(tuple(_PARTS)) for module in modules):
        return None
    fits = any(_weight_of(module, places["text_encoder"]) for module in modules)
    return "text_encoder" if fits else "unet"


def _said_alphas(file: Path, whole: str | None) -> dict[str, float]:
    """The alpha of each part where peft's configuration tells it: the file's metadata, or for a `whole` beside it."""
    said, beside = _SAID if whole is None else {"": whole}, file.with_name(_BESIDE)
    try:
        told = json.loads(read_metadata(file).get(_PEFT, "{}"))
        if whole is not None and not told and beside.is_file():
            told = read_object(beside)
        kinds = ("alpha_pattern", "use_dora", "use_rslora")
        if asked := [kind for kind in kinds for prefix in said if told.get(f"{prefix}{kind}")]:
            raise InvalidInput(f"{file}: a LoRA with {asked[0]} cannot be laid on; plain ones can")
        return {
            part: float(told[f"{prefix}lora_alpha"])
            for prefix, part in said.items()
            if f"{prefix}lora_alpha" in told
        }
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(f"{file}: peft's configuration of it cannot be read") from None


def _place(
    file: Path, module: str, whole: str | None, places: Mapping[str, Mapping[str, str]]
) -> tuple[str, str]:
    """The part and the weight that a module without dots means; of the part `whole` where names do not say it."""
    for prefix, part in _PARTS.items() if whole is None else [("", whole)]:
        if module.startswith(prefix):
            name = _weight_of(module.removeprefix(prefix), places[part])
            if name is not None:
                return part, name
    raise InvalidInput(
        f"{file}: the checkpoint has no module {module!r}; the LoRA was made for another model"
    )


def _weight_of(module: str, places: Mapping[str, str]) -> str | None:
    # to_out_lora means to_out.0; text encoders are saved with and without an owner before their names
    module = _ONCE.sub(r"_self_attn_\1_proj", module)
    for flat in (module, f"{module}_0", f"text_model_{module}", module.removeprefix("text_model_")):
        if f"{flat}_weight" in places:
            return places[f"{flat}_weight"]
    return None


def _flat(name: str) -> str:
    return name.removeprefix(_WRAPPED).replace(".processor.", ".").replace(".", "_")


def _number(file: Path, key: str, stored: Stored) -> float:
    if stored.dtype in _WHOLE and stored.shape in ((), (1,)):
        data = b"".join(copied(file, stored).parts())
        return float(int.from_bytes(data, "little", signed=True))
    values = numbers(weight(file, key, stored)).reshape(-1)
    if values.size != 1:
        raise InvalidInput(f"{file}: tensor {key!r} is {list(stored.shape)}; an alpha is one number")
    return float(values[0])


def _sum(base: Written, pair: _Pair, scale: float, title: str) -> Written:
    def parts() -> Iterator[bytes]:
        down, up = numbers(pair.down), numbers(pair.up)
        rank = len(down)
        factor = scale * (1.0 if pair.alpha is None else pair.alpha / rank)
        product = up.reshape(len(up), rank) @ down.reshape(rank, -1)
        whole = numbers(base) + np.float32(factor) * product.reshape(base.shape)
        if not np.abs(whole).max(initial=0.0) <= _MOST[base.dtype]:
            raise InvalidInput(f"{title} is not finite in {base.dtype} with the LoRA added; lower its scale")
        yield rounded(whole, base.dtype)

    return Written(base.dtype, base.shape, parts)


def numbers(tensor: Written) -> NDArray[np.float32]:
    """The numbers of a tensor, in float32."""
    data = b"".join(tensor.parts())
    if tensor.dtype == "BF16":  # the upper half of a float32
        found = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        found = np.frombuffer(data, "<f4" if tensor.dtype == "F32" else "<f2").astype(np.float32)
    return found.reshape(tensor.shape)


def rounded(values: NDArray[np.float32], dtype: str) -> bytes:
    """Numbers in the bytes of another type, to nearest, ties to even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return values.astype("<f4" if dtype == "F32" else "<f2").tobytes()
