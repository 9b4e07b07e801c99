"""The widths of a matcher's two towers, and what it says of its scores: `matcher.json` in its model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import InvalidInput, NotFound

SHAPE_NAME = "matcher.json"
_STEM = 4

Width = Annotated[int, Field(ge=1, le=4096)]
Layers = Annotated[int, Field(ge=0, le=24)]


class Shape(BaseModel):
    """The towers of pictures and texts.

    Pictures have `side` pixels a side. The stem makes them four times smaller, and each further one of `channels`
    halves them once more; `image_layers` layers of attention look at the places that are left. A text is cut to one
    word less than `tokens`, of `text_width` numbers each, which `text_layers` layers look at. Both have `heads` heads
    and end in a vector of `width`. `scale` is what cosines are multiplied with before a softmax, the inverse of the
    temperature.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: Annotated[int, Field(ge=2, le=1_000_000)]
    tokens: Annotated[int, Field(ge=2, le=256)] = 32
    side: Annotated[int, Field(ge=16, le=1024)] = 128
    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=6)] = (64, 128, 160)
    image_layers: Layers = 2
    text_width: Width = 128
    text_layers: Layers = 2
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    width: Width = 128
    scale: Annotated[float, Field(gt=0, le=1000)] = 1 / 0.07

    @property
    def places(self) -> int:
        """Places a side of the last feature map."""
        return self.side // self._step

    @property
    def _step(self) -> int:
        return int(_STEM * 2 ** (len(self.channels) - 1))

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        step = self._step
        if self.side % step:
            raise ValueError(
                f"side must be a multiple of {step}, which {len(self.channels)} channels need, not {self.side}"
            )
        for name, width in (("channels", self.channels[-1]), ("text_width", self.text_width)):
            if width % self.heads:
                raise ValueError(f"heads must divide {name} ({width}), and {self.heads} does not")
        return self

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read `matcher.json` of a model directory; NotFound without one, InvalidInput where it is wrong."""
        file = directory / SHAPE_NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"'{file}' not found; it says how wide the towers are") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None

    def write(self, directory: Path) -> None:
        """Write `matcher.json` into a model directory."""
        (directory / SHAPE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
