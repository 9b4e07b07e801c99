"""The program of an AttnGAN picture: encode the text, then draw every size of picture in one step.

Noise comes from the request's seed: the first values are the generator's, the rest the conditioning augmentation's.
What this family has not is refused by name: more than one step, guidance, a negative prompt, a sampler, a picture to
begin from. A request gets the largest picture unless it asks for another size; what is drawn does not depend on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.noise import starting_noise
from ...engine.request import Call, DrawRequest, Stepped, WordMaps
from ...engine.source import Source
from ...errors import InvalidInput
from .. import Program
from ..settling import ALL_TAKE, pixels, settled
from ..words import Words, row, words_of
from .shape import Shape

if TYPE_CHECKING:
    from ...registry.models import Model


class AttnGan:
    """The AttnGAN family (see `limner.families.Family`): graphs text_encoder and generator."""

    def __init__(self, model: Model) -> None:
        """Read vocabulary and widths; NotFound or InvalidInput names the file."""
        self._manifest = model.manifest
        self._words = Words.read(model.path)
        self._shape = Shape.read(model.path)
        if len(self._words.words) != self._shape.vocabulary:
            raise InvalidInput(
                f"{model.path}: the vocabulary has {len(self._words.words)} words and the text encoder "
                f"{self._shape.vocabulary}"
            )

    @property
    def texts_looked_up(self) -> tuple[int, int]:
        """None: it keeps no encodings."""
        return 0, 0

    def resolve(self, request: DrawRequest) -> DrawRequest:
        """Fill every None that this family has, the seed at random; InvalidInput names the wrong field."""
        self._refuse(request)
        if not self._words.ids(request.prompt):
            raise InvalidInput(
                f"model '{self._manifest.name}' knows no word of '{request.prompt}'; "
                f"its own are such as {', '.join(self._words.known[:5])}",
                field="prompt",
            )
        return request.model_copy(
            update=settled(request, self._manifest) | {"steps": 1, "guidance_scale": None}
        )

    def _refuse(self, request: DrawRequest) -> None:
        said = {name for name in request.model_fields_set if getattr(request, name) not in (None, "")}
        for name, plain in (("steps", 1), ("guidance_scale", 1)):
            if getattr(request, name) == plain:
                said.discard(name)
        for field in (name for name in type(request).model_fields if name in said - ALL_TAKE):
            raise InvalidInput(
                f"model '{self._manifest.name}' draws from words alone, in one step: leave out {field}",
                field=field,
            )

    def program(self, request: DrawRequest, source: Source | None = None) -> Program:
        """Start the program of a resolved request; every call has 1 row.

        LimnerError where the network's output is not finite.
        """
        shape = self._shape
        ids = self._words.ids(request.prompt)
        filled = min(len(ids), shape.tokens)
        mask = (np.arange(shape.tokens) < filled).astype(np.float32)[None]  # (1, T)
        tokens = row(ids, shape.tokens)[None]  # (1, T)
        told = yield Call("text_encoder", {"input_ids": tokens, "mask": mask}, "encode")
        assert told is not None
        noise = starting_noise(request, (1, shape.noise + shape.condition))
        made = yield Call(
            "generator",
            {
                "words": told["words"],
                "sentence": told["sentence"],
                "mask": mask,
                "noise": noise[:, : shape.noise],
                "further": noise[:, shape.noise :],
            },
        )
        assert made is not None
        pictures = tuple(
            pixels(made[f"picture_{side}"], self._manifest, "its weights are broken") for side in shape.sides
        )
        attention = None
        if request.attention and len(shape.sides) > 1:
            maps = (made[f"attention_{side}"][0, :filled] for side in shape.sides[:-1])
            words = self._seen(request.prompt)[:filled]
            attention = WordMaps(words, tuple(each.astype(np.float32, copy=False) for each in maps))
        yield Stepped(1, 1, pictures[0], pictures, attention)
        return pictures[shape.sides.index(request.width or shape.sides[-1])]

    def _seen(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that have an id, as they were written but for capitals."""
        return tuple(word for word in words_of(prompt) if self._words.ids(word))
