"""What was measured to make a model fast, and what was chosen by it: `choices.json` of a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidInput
from .manifest import Precision

CHOICES_NAME = "choices.json"


class Choice(BaseModel):
    """One way to draw: seconds of wall time a picture (median), the share of statements that hold where a checker
    can tell, and how near its pictures are to those in float32 with the model's own guidance and no features used again
    (dB, mean)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: Precision
    guidance_interval: tuple[float, float]
    feature_reuse: int = 1
    seconds: float
    statements: float | None
    psnr: float | None
    memory: int | None = None
    """MB that a process holds at most while it draws so, where that was measured."""
    chosen: bool = False


class Choices(BaseModel):
    """What was tried on one machine with `prompts` sentences of their own, each with a seed of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    target: str
    machine: str
    created: str
    prompts: int
    rows: tuple[Choice, ...]

    @classmethod
    def read(cls, directory: Path) -> Choices | None:
        """What a model directory says; None where it says nothing, InvalidInput where it is broken."""
        file = directory / CHOICES_NAME
        if not file.is_file():
            return None
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise InvalidInput(f"{file}: {error.errors()[0]['msg']}; run limner optimize again") from None

    def write(self, directory: Path) -> None:
        """Write it into a model directory."""
        (directory / CHOICES_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
