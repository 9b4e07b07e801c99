"""Tiny decoders: a few plain convolutions in the place of the autoencoder's, fast and coarse (O. Boer Bohan, TAESD).

Read as people have them: a folder of diffusers' `AutoencoderTiny`, or one file, under diffusers' names or under those
of the original code, which counts its layers from one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import InvalidInput, NotFound, Unavailable
from ....registry.json_files import read_object
from ....registry.manifest import Graph
from ....registry.weight_files import Written, read_index, write
from .configuration import Config
from .reading import part_weights, refuse_pickle, weight
from .templates import TEMPLATES, Template, put, read_graph, templates

if TYPE_CHECKING:
    from onnx import ModelProto

PART, GRAPH = "tiny_vae", "tiny_decoder"
_WEIGHTS = "diffusion_pytorch_model"
_SOURCE = "a folder of diffusers' AutoencoderTiny, or its .safetensors file"
# Of the configuration, what says how a latent is decoded.
_OF_DECODER = (
    "act_fn", "decoder_block_out_channels", "latent_channels", "num_decoder_blocks", "out_channels", "upsample_fn",
    "upsampling_scaling_factor",
)  # fmt: skip


@dataclass(frozen=True)
class TinyDecoder:
    """A tiny decoder whose weights are still where they were, and the graph that they are to be bound to."""

    weights: dict[str, Written]
    config: Config
    template: Template
    graph: ModelProto

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(tensor.length for tensor in self.weights.values())

    def put(self, directory: Path) -> Graph:
        """Write weights, configuration and graph into a model directory; gives the graph's entry in the manifest."""
        folder = directory / PART
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")
        file = folder / f"{_WEIGHTS}.safetensors"
        write(file, dict(sorted(self.weights.items())))
        return put(self.template, self.graph, directory, file, "")


def read_tiny_decoder(source: Path, vae: Config, folder: Path = TEMPLATES) -> TinyDecoder:
    """Read headers and configuration of a tiny decoder for a checkpoint with the autoencoder `vae`.

    Its graph is that of a template in `folder`. NotFound, InvalidInput or Unavailable names what is missing, pickled,
    of another shape, or made for other latents.
    """
    if source.is_dir():
        weights, config = part_weights(source, _WEIGHTS), read_object(source / "config.json")
    elif source.is_file():
        refuse_pickle(source)
        weights, config = _of_file(source), {}
    else:
        raise not_there(source)
    if not any(name.startswith("decoder.layers.") for name in weights):
        raise InvalidInput(f"{source} holds no tiny decoder; name {_SOURCE}")
    fitting = templates(PART, {key: config[key] for key in _OF_DECODER if key in config}, folder)
    if not fitting:
        raise Unavailable(
            f"{source}: no graph template fits this tiny decoder; only the published configuration can be brought in"
        )
    template, place = fitting[0]
    template.check(weights, "")
    _check_latents(source, template.config, vae)
    told = template.config | config | {"_class_name": "AutoencoderTiny"}
    return TinyDecoder(weights, told, template, read_graph(place))


def not_there(source: Path) -> NotFound:
    """What is said where there is neither file nor folder."""
    return NotFound(f"tiny decoder '{source}' not found; name {_SOURCE}")


def _check_latents(source: Path, tiny: Config, vae: Config) -> None:
    found = tiny["latent_channels"], 2 ** (len(tiny["num_decoder_blocks"]) - 1)
    wanted = vae.get("latent_channels", 4), 2 ** (len(vae.get("block_out_channels", [64])) - 1)
    if found != wanted:
        raise InvalidInput(
            f"{source} decodes latents of {found[0]} channels to {found[1]} times their sides; "
            f"this checkpoint's have {wanted[0]}, and {wanted[1]} times"
        )


def _of_file(file: Path) -> dict[str, Written]:
    """The tensors of one file under diffusers' names."""
    index = read_index(file)
    found = {}
    for name, tensor in index.items():
        numbered = re.fullmatch(r"(\d{1,3})\.(.+)", name)
        known = f"decoder.layers.{int(numbered[1]) - 1}.{numbered[2]}" if numbered else name
        found[known] = weight(file, name, tensor)
    return found
