"""The program of a diffusion picture: encode the text, denoise step by step, decode the latent.

The same steps in the same precision as diffusers' `StableDiffusionPipeline`, so that one seed means one
picture in both. Differences, on purpose: guidance may be kept to an interval of the steps (Kynkäänniemi et
al. 2024), and a step without guidance costs one row of the denoiser instead of two; deep features may serve
several steps (`reuse.py`); text encodings are kept for the next request; brackets weigh words, and a text may
be longer than the encoder takes (`prompt.py`). A drawing may begin at a picture (`beginning.py`).
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ...engine.noise import starting_noise
from ...engine.request import Call, DrawRequest, Stepped
from ...engine.samplers import SAMPLERS, Schedule
from ...engine.source import Source
from ...errors import InvalidInput, NotFound
from .. import Program
from ..settling import pixels, rounded, settled
from .beginning import Latents, begin
from .decoding import Decoding
from .encodings import EncodingCache
from .looks import Looks, words_in
from .prompt import emphasised, windows
from .reuse import Reuse
from .tokenizer import ClipTokenizer

if TYPE_CHECKING:
    from ...registry.manifest import Manifest
    from ...registry.models import Model

_Floats = NDArray[np.float32]
_Encoding = Generator[Call, dict[str, NDArray[Any]] | None, _Floats]

# 30 MB of encodings at Stable Diffusion's 77 x 768.
_ENCODINGS_KEPT = 128
# Of 75 tokens each: more than a prompt of a thousand letters has in most languages.
_MOST_WINDOWS = 14
_STRENGTH = 0.6


class _Autoencoder(BaseModel):
    """The part of `vae/config.json` that a program needs, with diffusers' defaults."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (64,)
    scaling_factor: float = 0.18215

    @classmethod
    def read(cls, path: Path) -> _Autoencoder:
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"no autoencoder configuration at {path}") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{path}: {key}: {first['msg']}", field=key) from None

    @property
    def latents(self) -> Latents:
        """How its latents look."""
        factor = int(2 ** (len(self.block_out_channels) - 1))
        return Latents(self.latent_channels, factor, np.float32(self.scaling_factor))


class Diffusion:
    """The diffusion family (see `limner.families.Family`): graphs text_encoder, unet, vae_decoder or tiny_decoder."""

    def __init__(self, model: Model) -> None:
        """Read tokenizer, schedule and autoencoder settings; NotFound or InvalidInput names the file."""
        self._manifest = model.manifest
        self._tokenizer = ClipTokenizer(model.path / "tokenizer")
        self._schedule = Schedule.read(model.path / "scheduler" / "scheduler_config.json")
        self._latents = _Autoencoder.read(model.path / "vae" / "config.json").latents
        self._decoding = Decoding(model, self._latents.scale)
        self._inpaints = _channels(model.manifest) == 2 * self._latents.channels + 1
        preview = model.manifest.preview
        assert preview is not None
        self._matrix = np.array(preview.matrix, np.float32)  # (C, 3)
        self._bias = np.array(preview.bias, np.float32)  # (3,)
        self._encodings = EncodingCache(_ENCODINGS_KEPT)
        self._most_windows = _MOST_WINDOWS if _takes_any_text(model.manifest) else 1

    @property
    def texts_looked_up(self) -> tuple[int, int]:
        """Windows of text whose encoding was kept, and those that had to be encoded, so far."""
        return self._encodings.looked_up

    def resolve(self, request: DrawRequest) -> DrawRequest:
        """Fill every None from the manifest, the seed at random; InvalidInput names the wrong field."""
        for field in ("temperature", "top_k"):
            if getattr(request, field) is not None:
                raise InvalidInput(
                    f"model '{self._manifest.name}' denoises and chooses no tokens: leave out {field}",
                    field=field,
                )
        defaults = self._manifest.stepping
        sampler = defaults.sampler if request.sampler is None else request.sampler
        if sampler not in SAMPLERS:
            known = ", ".join(SAMPLERS)
            raise InvalidInput(f"sampler '{sampler}' not found; known: {known}", field="sampler")
        steps = defaults.steps if request.steps is None else request.steps
        self._schedule.check_steps(steps)
        scale = defaults.guidance_scale if request.guidance_scale is None else request.guidance_scale
        interval = request.guidance_interval or defaults.guidance_interval
        if not 0 <= interval[0] <= interval[1] <= 1:
            raise InvalidInput(
                f"guidance_interval={interval} must be two rising fractions in 0 to 1",
                field="guidance_interval",
            )
        return request.model_copy(
            update=settled(request, self._manifest)
            | {
                "strength": self._strength(request),
                "steps": steps,
                "guidance_scale": scale,
                "guidance_interval": interval,
                "feature_reuse": request.feature_reuse or defaults.feature_reuse,
                "sampler": sampler,
                "decoder": self._decoding.chosen(request),
            }
        )

    def _strength(self, request: DrawRequest) -> float | None:
        """How much of the picture to begin from is drawn anew; InvalidInput where settings do not go together."""
        if request.image is None:
            for field in ("mask", "strength"):
                if getattr(request, field) is not None:
                    raise InvalidInput(f"{field} needs a picture to work from: give an image", field=field)
            return None
        if "vae_encoder" not in self._manifest.graphs:
            name = f"{self._manifest.name}@{self._manifest.version}"
            raise InvalidInput(
                f"model '{name}' has no encoder for pictures; bring it in or train it again", field="image"
            )
        if request.strength is None:
            return _STRENGTH if request.mask is None else 1.0
        return request.strength

    def program(self, request: DrawRequest, source: Source | None = None) -> Program:
        """Start the program of a resolved request, from `source` where it names an image.

        Calls have 1 row, but 2 for a guided step of the unet (negative prompt, prompt) and as many as there are
        windows for texts that are encoded together. LimnerError where the network's output is not finite.
        """
        steps, scale, sampler = request.steps, request.guidance_scale, request.sampler
        width, height, interval = request.width, request.height, request.guidance_interval
        assert steps and scale and sampler and interval and width and height
        guided = [scale > 1 and interval[0] <= (step + 0.5) / steps <= interval[1] for step in range(steps)]
        texts = [request.negative_prompt, request.prompt] if any(guided) else [request.prompt]
        rows = yield from self._encode(texts)  # (1 or 2, T, D); the prompt comes last

        latents = self._latents
        if source is not None:
            source = source.fitted(width, height)
        begun = yield from begin(source, request, latents, self._inpaints)
        shape = (1, latents.channels, height // latents.factor, width // latents.factor)
        sampling = SAMPLERS[sampler](self._schedule, steps, starting_noise(request, shape), begun.origin)
        query, first = next(sampling), begun.origin.first if begun.origin else 0
        reuse = Reuse(request.feature_reuse or 1, request.attention)
        looks = Looks(shape[2], shape[3]) if request.attention else None
        for step in range(first, steps):
            conditioning = rows if guided[step] else rows[-1:]
            count = len(conditioning)
            seen = query.latent if begun.told is None else np.concatenate([query.latent, begun.told], 1)
            outputs = yield reuse.call(
                {
                    "sample": np.repeat(seen, count, axis=0),
                    "timestep": np.full(count, query.timestep, np.float32),
                    "encoder_hidden_states": conditioning,
                }
            )
            assert outputs is not None
            reuse.keep(outputs)
            if looks is not None:
                looks.add(outputs)
            try:
                query = sampling.send(_guide(outputs["out_sample"], scale))
            except StopIteration as end:
                latent: _Floats = end.value
                clean = latent
            else:
                assert query.clean is not None
                clean = query.clean
            attention = None
            if looks is not None and step + 1 == steps:
                attention = looks.at(words_in(self._tokenizer, request.prompt, self._most_windows))
            yield Stepped(step + 1 - first, steps - first, self._preview(clean), attention=attention)

        outputs = yield self._decoding.call(latent, self._decoding.chosen(request))
        assert outputs is not None
        drawn = pixels(outputs["sample"], self._manifest, "try a lower guidance_scale")
        return drawn if source is None else source.pasted(drawn, latents.factor)

    def _encode(self, texts: list[str]) -> _Encoding:
        """Give the encodings of texts, (N, T, D); windows that are not kept are asked for in one call.

        A text of fewer windows than another gets empty ones.
        """
        split = [windows(self._tokenizer, text, self._most_windows) for text in texts]
        empty = windows(self._tokenizer, "", 1)
        count = max(len(each) for each in split)
        split = [each + empty * (count - len(each)) for each in split]
        every = {window.ids.tobytes(): window.ids for each in split for window in each}
        known = {key: self._encodings.get(ids) for key, ids in every.items()}
        missing = [key for key, encoding in known.items() if encoding is None]
        if missing:
            ids = np.stack([every[key] for key in missing])  # (N, T)
            outputs = yield Call("text_encoder", {"input_ids": ids}, "encode")
            assert outputs is not None
            for key, encoding in zip(missing, outputs["last_hidden_state"], strict=True):
                self._encodings.put(every[key], encoding)
                known[key] = encoding
        return np.stack(
            [
                np.concatenate([emphasised(_known(known[w.ids.tobytes()]), w.weights) for w in each])
                for each in split
            ]
        )

    def _preview(self, latent: _Floats) -> NDArray[np.uint8]:
        """Map a latent (1, C, h, w) to a small picture (h, w, 3) as the manifest says."""
        colours = latent[0].transpose(1, 2, 0) @ self._matrix + self._bias
        return rounded(np.nan_to_num(colours))


def _channels(manifest: Manifest) -> int | str | None:
    """How many channels the denoiser reads."""
    unet = manifest.graphs.get("unet")
    shapes = [port.shape for port in unet.inputs if port.name == "sample"] if unet else []
    return shapes[0][1] if shapes else None


def _known(encoding: _Floats | None) -> _Floats:
    assert encoding is not None
    return encoding


def _takes_any_text(manifest: Manifest) -> bool:
    """Whether the denoiser attends to any number of tokens, so that a long text may have several windows."""
    return any(
        port.name == "encoder_hidden_states" and port.shape[1:2] == ("T",)
        for graph in (manifest.graphs.get("unet"),)
        if graph is not None
        for port in graph.inputs
    )


def _guide(predictions: _Floats, scale: float) -> _Floats:
    """Combine predictions for negative prompt and prompt (2, C, h, w) to one (1, C, h, w); Ho and Salimans
    2022, equation 6. A single one is left as it is."""
    predictions = predictions.astype(np.float32, copy=False)
    if len(predictions) == 1:
        return predictions
    negative, positive = predictions[:1], predictions[1:]
    return negative + np.float32(scale) * (positive - negative)
