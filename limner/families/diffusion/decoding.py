"""Which network turns the last latent into the picture: the autoencoder's decoder, or a tiny one beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...engine.request import Call, DrawRequest
from ...errors import InvalidInput
from ...registry.json_files import read_object

if TYPE_CHECKING:
    from ...registry.manifest import Decoder
    from ...registry.models import Model

_GRAPHS = {"full": "vae_decoder", "tiny": "tiny_decoder"}
_CONFIG = "tiny_vae/config.json"


class Decoding:
    """The decoders of a model."""

    def __init__(self, model: Model, scale: np.float32) -> None:
        """`scale` is that of the autoencoder: what its latents were multiplied by; InvalidInput names a wrong file."""
        self._model, self._default = model, model.manifest.decoder
        self._scales = {"full": scale}
        if _GRAPHS["tiny"] in model.manifest.graphs:
            told = read_object(model.path / _CONFIG).get("scaling_factor", 1.0)
            if not isinstance(told, int | float) or not told > 0:
                raise InvalidInput(f"{model.path / _CONFIG}: scaling_factor={told!r} must be above 0")
            self._scales["tiny"] = np.float32(told)

    def chosen(self, request: DrawRequest) -> Decoder:
        """The decoder that a request asks for, else the model's own; InvalidInput where the model lacks it."""
        decoder = request.decoder or self._default
        if decoder not in self._scales:
            raise InvalidInput(
                f"model '{self._model.name}@{self._model.version}' has no {decoder} decoder; bring the checkpoint in "
                "again with --tiny-decoder",
                field="decoder",
            )
        return decoder

    def call(self, latent: NDArray[np.float32], decoder: Decoder) -> Call:
        """The call that decodes a latent (1, C, h, w) as the denoiser knows it; its output is `sample`."""
        return Call(_GRAPHS[decoder], {"latent_sample": latent / self._scales[decoder]}, "decode")
