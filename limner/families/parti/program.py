"""The program of a Parti picture: encode the text, write down what is planned, where the model plans, draw token after
token, row under row, decode the tokens.

Each place's keys and values are kept here, beside its tokens, and go with every call, so that pictures at different
places share one. After each row of tokens what is there is decoded and shown. What this family has not is refused by
name: a choice of steps, a sampler, a picture to begin from.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...engine.noise import starting_noise
from ...engine.request import Call, DrawRequest, Stepped, WordMaps
from ...engine.source import Source
from ...errors import InvalidInput, LimnerError
from .. import Program
from ..settling import ALL_TAKE, pixels, settled
from .planning import TOLD, Planning
from .sampling import drawn, guided, uniform
from .shape import Shape
from .text import PAD, TextTokenizer

if TYPE_CHECKING:
    from ...registry.models import Model

_BARE = 232
_TAKEN = ALL_TAKE | {"negative_prompt", "guidance_scale", "temperature", "top_k"}

Outputs = dict[str, NDArray[Any]] | None
_Pixels = NDArray[np.uint8]


class Parti:
    """The Parti family (see `limner.families.Family`): graphs text_encoder, decoder and detokenizer."""

    def __init__(self, model: Model) -> None:
        """Read widths and text tokenizer; NotFound or InvalidInput names the file."""
        self._manifest = model.manifest
        self._shape = Shape.read(model.path)
        subjects = self._shape.subjects
        self._planning = None if subjects is None else Planning(subjects, self._shape.image.codes + 1)
        self._planned = 0 if self._planning is None else self._planning.length
        self._text = TextTokenizer.read(model.path)
        if len(self._text) != self._shape.transformer.text_vocabulary:
            raise InvalidInput(
                f"{model.path}: the text tokenizer has {len(self._text)} pieces and the encoder "
                f"{self._shape.transformer.text_vocabulary}"
            )

    @property
    def texts_looked_up(self) -> tuple[int, int]:
        """None: it keeps no encodings."""
        return 0, 0

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
        return request.model_copy(
            update=settled(request, self._manifest)
            | {
                "steps": defaults.steps,
                "guidance_scale": request.guidance_scale or defaults.guidance_scale,
                "temperature": request.temperature or defaults.temperature,
                "top_k": request.top_k or defaults.top_k,
            }
        )

    def program(self, request: DrawRequest, source: Source | None = None) -> Program:
        """Start the program of a resolved request; calls have 1 row, but 2 where guidance is above 1.

        LimnerError where a network's output is not finite.
        """
        side, planned = self._shape.image.side, self._planned
        memory, mask = yield from self._encoded(request)
        count = planned + side * side
        numbers = uniform(starting_noise(request, (1, count)))
        tokens = np.full((1, count), self._shape.image.codes, np.int64)
        looked = np.zeros((count, mask.shape[1]), np.float32)
        cache = self._empty_cache(len(memory), count)
        told = np.zeros((1, count, TOLD), np.float32)
        for position in range(count):
            if self._planning is not None and position == planned:
                told[:, planned:] = self._planning.told(tokens[:, :planned], side)
            rows = len(memory)
            outputs = yield Call(
                "decoder",
                {
                    "given": np.repeat(self._given(tokens, position), rows, axis=0),
                    "position": np.full(rows, position, np.int64),
                    **({"told": np.repeat(told[:, position], rows, axis=0)} if planned else {}),
                    "memory": memory,
                    "mask": mask,
                    "cache": cache,
                },
            )
            assert outputs is not None
            cache[:, :, :, :, position] = outputs["kept"]
            looked[position] = outputs["looked"][-1]
            part = 1.0 if self._planning is None else self._planning.warmth(position)
            tokens[:, position] = self._chosen(outputs["scores"], request, numbers[:, position], part)
            row, column = divmod(position + 1 - planned, side)
            if column == 0 and 0 < row < side:
                yield Stepped(row, side, (yield from self._picture(tokens, told, row)))
        picture = yield from self._picture(tokens, told, side)
        attention = self._attention(request.prompt, looked[planned:]) if request.attention else None
        yield Stepped(side, side, picture, attention=attention)
        return picture

    def _encoded(
        self, request: DrawRequest
    ) -> Generator[Call, Outputs, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """What the decoder looks at, and the mask (1 or 2, T): of what should not be seen, then of the prompt."""
        assert request.guidance_scale is not None
        texts = [request.negative_prompt, request.prompt] if request.guidance_scale > 1 else [request.prompt]
        length = self._shape.transformer.text_tokens
        ids = np.stack([self._text.row(text, length) for text in texts])
        mask = (ids != PAD).astype(np.float32)
        outputs = yield Call("text_encoder", {"input_ids": ids, "mask": mask}, "encode")
        assert outputs is not None
        return outputs["memory"], mask

    def _empty_cache(self, rows: int, count: int) -> NDArray[np.float32]:
        """Room for what every place keeps: (rows, layers, 2, heads, count, head)."""
        shape = self._shape.transformer
        return np.zeros((rows, shape.decoder_layers, 2, shape.heads, count, shape.head), np.float32)

    def _given(self, tokens: NDArray[np.int64], position: int) -> NDArray[np.int64]:
        """What the place is told of tokens (B, N): the one before it, and perhaps those above it, (B, given)."""
        side, none, first = self._shape.image.side, self._shape.image.codes, self._planned
        last = (position + 1 - first) % side == 0
        above = [position - side, -1 if last else position - side + 1]
        places = [position - 1, *(at if at >= first else -1 for at in above)]
        rows = [tokens[:, at] if at >= 0 else np.full(len(tokens), none) for at in places]
        return np.stack(rows[: self._shape.transformer.given], 1)

    def _chosen(
        self, scores: NDArray[np.float32], request: DrawRequest, numbers: NDArray[np.float64], part: float
    ) -> NDArray[np.int64]:
        """The next token of each candidate, by scores (B or 2 B, K), at that part of the temperature."""
        if not np.isfinite(scores).all():
            name = f"{self._manifest.name}@{self._manifest.version}"
            raise LimnerError(f"model '{name}' gave scores that are not finite; its weights are broken")
        assert request.guidance_scale and request.temperature and request.top_k
        if len(scores) > len(numbers):
            free, bound = np.split(scores, 2)
            scores = guided(free, bound, request.guidance_scale)
        return drawn(scores, part * request.temperature, request.top_k, numbers)

    def _picture(
        self, tokens: NDArray[np.int64], told: NDArray[np.float32], rows: int
    ) -> Generator[Call, Outputs, _Pixels]:
        """Decode tokens (1, N) whose first `rows` rows are there; below them the picture is bare."""
        side, planned = self._shape.image.side, self._planned
        grid = tokens[:, planned:].reshape(1, side, side).copy()
        grid[:, rows:] = grid[:, rows - 1 : rows]
        inputs: dict[str, NDArray[Any]] = {"tokens": grid.reshape(1, -1)}
        if planned:
            inputs["told"] = told[:, planned:]
        outputs = yield Call("detokenizer", inputs, "decode")
        assert outputs is not None
        picture = pixels(outputs["picture"], self._manifest, "its weights are broken")
        picture[rows * self._shape.image.patch :] = _BARE
        return picture

    def _attention(self, prompt: str, looked: NDArray[np.float32]) -> WordMaps:
        """How much each token looked at each word of the prompt, of what it looked at words at all."""
        side, words = self._shape.image.side, self._text.words(prompt, looked.shape[1])
        shares = np.array([looked[:, first:end].sum(1) for _, first, end in words], np.float32).reshape(
            len(words), side, side
        )
        whole = shares.sum(0, keepdims=True).clip(1e-9)
        return WordMaps(tuple(word for word, _, _ in words), (shares / whole,))
