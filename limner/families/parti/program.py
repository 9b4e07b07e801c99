"""The program of a Parti picture: encode the text, draw token after token, row under row, decode the tokens.

Each place's keys and values are kept here, beside its tokens, and go with every call, so that pictures at different
places share one. After each row of tokens what is there is decoded and shown. Candidates of one request are drawn side
by side, as rows of the same calls. What this family has not is refused by name: a choice of steps, a sampler, a picture
to begin from.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...engine.noise import starting_noise
from ...engine.request import MAX_SEED, Call, DrawRequest, Stepped, WordMaps
from ...engine.source import Source
from ...errors import InvalidInput, LimnerError
from .. import Program
from .sampling import drawn, guided, uniform
from .shape import Shape
from .text import PAD, TextTokenizer

if TYPE_CHECKING:
    from ...registry.models import Model

_VARIATION = 0.3
_BARE = 232
_TAKEN = {
    "prompt", "negative_prompt", "model", "seed", "guidance_scale", "temperature", "top_k", "width", "height",
    "variation_seed", "variation_strength",
}  # fmt: skip

Outputs = dict[str, NDArray[Any]] | None
_Pixels = NDArray[np.uint8]
Drawing = Generator[Call | Stepped, Outputs, tuple[list[_Pixels], WordMaps]]
"""Draws the candidates of a request: their pixels (S, S, 3), and how the first looked at its words."""


class Parti:
    """The Parti family (see `limner.families.Family`): graphs text_encoder, decoder and detokenizer."""

    def __init__(self, model: Model) -> None:
        """Read widths and text tokenizer; NotFound or InvalidInput names the file."""
        self._manifest = model.manifest
        self._shape = Shape.read(model.path)
        self._text = TextTokenizer.read(model.path)
        if len(self._text) != self._shape.transformer.text_vocabulary:
            raise InvalidInput(
                f"{model.path}: the text tokenizer has {len(self._text)} pieces and the encoder "
                f"{self._shape.transformer.text_vocabulary}"
            )

    def resolve(self, request: DrawRequest) -> DrawRequest:
        """Fill every None that this family has, the seed at random; InvalidInput names the wrong field."""
        defaults = self._manifest.tokens
        assert defaults is not None
        said = {name for name in request.model_fields_set if getattr(request, name) not in (None, "")}
        if request.steps == defaults.steps:
            said.discard("steps")
        for field in (name for name in type(request).model_fields if name in said - _TAKEN):
            raise InvalidInput(
                f"model '{self._manifest.name}' draws from words alone, token by token: leave out {field}",
                field=field,
            )
        size = self._shape.image.size
        for field in ("width", "height"):
            if getattr(request, field) not in (None, size):
                raise InvalidInput(
                    f"model '{self._manifest.name}' does not draw {field}={getattr(request, field)}; "
                    f"sizes: {size}x{size}",
                    field=field,
                )
        update: dict[str, object] = {
            "steps": defaults.steps,
            "guidance_scale": request.guidance_scale or defaults.guidance_scale,
            "temperature": request.temperature or defaults.temperature,
            "top_k": request.top_k or defaults.top_k,
            "width": size,
            "height": size,
        }
        if request.seed is None:
            update["seed"] = _random_seed()
        if request.variation_seed is not None or request.variation_strength is not None:
            share = request.variation_strength
            update["variation_strength"] = _VARIATION if share is None else share
            if request.variation_seed is None:
                update["variation_seed"] = _random_seed()
        return request.model_copy(update=update)

    def program(self, request: DrawRequest, source: Source | None = None) -> Program:
        """Start the program of a resolved request; calls have 1 row, but 2 where guidance is above 1.

        LimnerError where a network's output is not finite.
        """
        pictures, _ = yield from self.candidates([request])
        return pictures[0]

    def candidates(self, requests: Sequence[DrawRequest]) -> Drawing:
        """Draw resolved requests that differ in their seeds alone, as rows of the same calls.

        Calls have a row for each of them, and two where guidance is above 1. Steps show the first.
        """
        request, side = requests[0], self._shape.image.side
        memory, mask = yield from self._encoded(request)
        memory, mask = (np.repeat(value, len(requests), axis=0) for value in (memory, mask))
        count = side * side
        numbers = uniform(np.concatenate([starting_noise(each, (1, count)) for each in requests]))
        tokens = np.full((len(requests), count), self._shape.image.codes, np.int64)
        looked = np.zeros((count, mask.shape[1]), np.float32)
        cache = self._empty_cache(len(memory), count)
        for position in range(count):
            given = self._given(tokens, position)
            outputs = yield Call(
                "decoder",
                {
                    "given": np.tile(given, (len(memory) // len(tokens), 1)),
                    "position": np.full(len(memory), position, np.int64),
                    "memory": memory,
                    "mask": mask,
                    "cache": cache,
                },
            )
            assert outputs is not None
            cache[:, :, :, :, position] = outputs["kept"]
            looked[position] = outputs["looked"][-len(tokens)]
            tokens[:, position] = self._chosen(outputs["scores"], request, numbers[:, position])
            row = (position + 1) // side
            if (position + 1) % side == 0 and row < side:
                shown = yield from self._pictures(tokens[:1], row)
                yield Stepped(row, side, shown[0])
        pictures = yield from self._pictures(tokens, side)
        attention = self._attention(request.prompt, looked)
        yield Stepped(side, side, pictures[0], (), attention)
        return pictures, attention

    def _encoded(
        self, request: DrawRequest
    ) -> Generator[Call, Outputs, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """What the decoder looks at, and the mask (1 or 2, T): of what should not be seen, then of the prompt."""
        assert request.guidance_scale is not None
        texts = [request.negative_prompt, request.prompt] if request.guidance_scale > 1 else [request.prompt]
        length = self._shape.transformer.text_tokens
        ids = np.stack([self._text.row(text, length) for text in texts])
        mask = (ids != PAD).astype(np.float32)
        outputs = yield Call("text_encoder", {"input_ids": ids, "mask": mask})
        assert outputs is not None
        return outputs["memory"], mask

    def _empty_cache(self, rows: int, count: int) -> NDArray[np.float32]:
        """Room for what every place keeps: (rows, layers, 2, heads, count, head)."""
        shape = self._shape.transformer
        return np.zeros((rows, shape.decoder_layers, 2, shape.heads, count, shape.head), np.float32)

    def _given(self, tokens: NDArray[np.int64], position: int) -> NDArray[np.int64]:
        """What the place is told of tokens (B, N): the one before it, and perhaps those above it, (B, given)."""
        side, none = self._shape.image.side, self._shape.image.codes
        places = [position - 1, position - side, position - side + 1 if (position + 1) % side else -1]
        rows = [tokens[:, at] if at >= 0 else np.full(len(tokens), none) for at in places]
        return np.stack(rows[: self._shape.transformer.given], 1)

    def _chosen(
        self, scores: NDArray[np.float32], request: DrawRequest, numbers: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """The next token of each candidate, by scores (B or 2 B, K)."""
        if not np.isfinite(scores).all():
            name = f"{self._manifest.name}@{self._manifest.version}"
            raise LimnerError(f"model '{name}' gave scores that are not finite; its weights are broken")
        assert request.guidance_scale and request.temperature and request.top_k
        if len(scores) > len(numbers):
            free, bound = np.split(scores, 2)
            scores = guided(free, bound, request.guidance_scale)
        return drawn(scores, request.temperature, request.top_k, numbers)

    def _pictures(self, tokens: NDArray[np.int64], rows: int) -> Generator[Call, Outputs, list[_Pixels]]:
        """Decode tokens (B, N) whose first `rows` rows are there; below them the pictures are bare."""
        side = self._shape.image.side
        grid = tokens.reshape(-1, side, side).copy()
        grid[:, rows:] = grid[:, rows - 1 : rows]
        outputs = yield Call("detokenizer", {"tokens": grid.reshape(len(tokens), -1)})
        assert outputs is not None
        pictures = []
        for picture in outputs["picture"]:
            shares = picture.transpose(1, 2, 0).astype(np.float32) * np.float32(0.5) + np.float32(0.5)
            pixels = (np.nan_to_num(shares).clip(0, 1) * np.float32(255)).round().astype(np.uint8)
            pixels[rows * self._shape.image.patch :] = _BARE
            pictures.append(pixels)
        return pictures

    def _attention(self, prompt: str, looked: NDArray[np.float32]) -> WordMaps:
        """How much each token looked at each word of the prompt, of what it looked at words at all."""
        side, words = self._shape.image.side, self._text.words(prompt, looked.shape[1])
        shares = np.array([looked[:, first:end].sum(1) for _, first, end in words], np.float32).reshape(
            len(words), side, side
        )
        whole = shares.sum(0, keepdims=True).clip(1e-9)
        return WordMaps(tuple(word for word, _, _ in words), (shares / whole,))


def _random_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)
