"""A CLIP checkpoint in transformers' layout in a matcher's place (torch): config.json, model.safetensors or its parts,
a tokenizer.

Pictures are made ready as the checkpoint's preprocessor_config.json says, or as OpenAI's CLIP has it: the shorter side
to the size by bicubic resampling, the middle square, and each channel less its mean over its deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from ...errors import InvalidInput, NotFound
from ...registry.json_files import read_object
from .matcher import Matcher, Pixels, Vectors, hash_of

_CONFIG, _WEIGHTS, _READY = "config.json", "model.safetensors", "preprocessor_config.json"
_PARTS = f"{_WEIGHTS}.index.json"
_TOKENIZERS = ("tokenizer.json", "vocab.json")
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def open_clip(directory: Path) -> Matcher:
    """The checkpoint of a folder as a matcher; NotFound or InvalidInput names the file that is at fault."""
    for file in (_CONFIG, _WEIGHTS):
        if not (directory / file).is_file() and not (file == _WEIGHTS and (directory / _PARTS).is_file()):
            raise NotFound(
                f"'{directory / file}' not found; a CLIP checkpoint in transformers' layout has it"
            )
    if not any((directory / file).is_file() for file in _TOKENIZERS):
        raise NotFound(f"{directory} has no tokenizer; put {' or '.join(_TOKENIZERS)} beside the weights")
    try:
        model, loaded = CLIPModel.from_pretrained(
            directory,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            use_safetensors=True,
        )
        tokenizer = CLIPTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - transformers raises errors of many kinds
        raise InvalidInput(
            f"CLIP checkpoint {directory} cannot be read: {' '.join(str(error).split())[:200]}"
        ) from None
    if missing := sorted(loaded["missing_keys"]):
        raise InvalidInput(
            f"'{directory / _WEIGHTS}' lacks {len(missing)} of the weights of a CLIP, such as '{missing[0]}'"
        )
    mean, std = _statistics(directory)
    side = int(model.config.vision_config.image_size)
    # All that a score depends on.
    files = sorted(file for end in ("json", "txt", "safetensors") for file in directory.glob(f"*.{end}"))
    return Matcher(
        name=f"CLIP {directory.resolve().name}",
        hash=hash_of(files),
        side=side,
        scale=float(model.logit_scale.detach().exp()),
        towers=_Checkpoint(model.eval(), tokenizer, mean, std),
        clip=True,
        resampling=Image.Resampling.BICUBIC,
    )


def _statistics(directory: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each channel, (3,), of colours in 0..1."""
    said: dict[str, Any] = read_object(directory / _READY) if (directory / _READY).is_file() else {}
    found = []
    for key, plain in (("image_mean", _MEAN), ("image_std", _STD)):
        value = said.get(key, plain)
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise InvalidInput(f"{directory / _READY}: {key} must be three numbers, not {value!r}", field=key)
        found.append(np.array(value, np.float32))
    return found[0], found[1]


class _Checkpoint:
    """The towers of a transformers model."""

    def __init__(
        self, model: CLIPModel, tokenizer: CLIPTokenizer, mean: NDArray[np.float32], std: NDArray[np.float32]
    ) -> None:
        self._model, self._tokenizer, self._mean, self._std = model, tokenizer, mean, std

    @torch.inference_mode()
    def pictures(self, batch: Pixels) -> Vectors:
        shares = (batch.astype(np.float32) / np.float32(255) - self._mean) / self._std
        pixels = torch.from_numpy(np.ascontiguousarray(shares.transpose(0, 3, 1, 2)))
        model = self._model
        pooled = model.vision_model(pixel_values=pixels).pooler_output
        found: Vectors = model.visual_projection(pooled).numpy()
        return found

    @torch.inference_mode()
    def texts(self, batch: Sequence[str]) -> Vectors:
        length = int(self._model.config.text_config.max_position_embeddings)
        rows = self._tokenizer(
            list(batch), padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        model = self._model
        pooled = model.text_model(**rows).pooler_output
        found: Vectors = model.text_projection(pooled).numpy()
        return found
