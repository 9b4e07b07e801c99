"""The widths of an AttnGAN's networks, as `attngan.json` in its model directory says them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InvalidInput, NotFound

SHAPE_NAME = "attngan.json"
_FIRST_SIDE = 4

Width = Annotated[int, Field(ge=1, le=4096)]


class Shape(BaseModel):
    """Text encoder and generator; the defaults are the published ones for birds.

    `tokens` are the words that a text is cut to when a picture is drawn; `embedding` is the width of a word before the
    LSTM, `text_width` after it, both directions together. `noise` and `condition` are the vectors that the first stage
    is made from. The first picture has 4 * 2 ** `doublings` pixels a side, and each of `stages` twice those before;
    `channels` are those that every picture is read off. Between two pictures there are `residuals` residual blocks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 5450
    tokens: Annotated[int, Field(ge=2, le=256)] = 25
    embedding: Width = 300
    text_width: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 256
    noise: Width = 100
    condition: Width = 100
    channels: Annotated[int, Field(ge=2, le=512)] = 32
    doublings: Annotated[int, Field(ge=1, le=6)] = 4
    stages: Annotated[int, Field(ge=1, le=4)] = 3
    residuals: Annotated[int, Field(ge=1, le=8)] = 2

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels a side of each picture, smallest first."""
        return tuple(_FIRST_SIDE * 2 ** (self.doublings + stage) for stage in range(self.stages))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read `attngan.json` of a model directory; NotFound without one, InvalidInput where it is wrong."""
        file = directory / SHAPE_NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"'{file}' not found; it says how wide the networks are") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None

    def write(self, directory: Path) -> None:
        """Write `attngan.json` into a model directory."""
        (directory / SHAPE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
