"""Limner from Python: load a model once, draw as often as you like.

import limner

with limner.load("storybook") as model:
    model.draw("a red apple on a wooden table", seed=7).save("apple.png")
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from pydantic import ValidationError

from .engine.request import MAX_SEED, DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped
from .errors import Cancelled, InvalidInput, LimnerError, Unavailable

if TYPE_CHECKING:
    from PIL import Image

    from .engine.studio import Drawing, Studio

MAX_PICTURES = 64

OnStep = Callable[[int, Stepped], None]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn picture; in a notebook it shows itself."""

    picture: Picture

    @cached_property
    def image(self) -> Image.Image:
        """The picture as a Pillow image, RGB."""
        from PIL import Image

        return Image.fromarray(self.picture.pixels)

    @property
    def request(self) -> DrawRequest:
        """What was asked for, with every default filled in."""
        return self.picture.request

    @property
    def seed(self) -> int:
        """The seed that draws this picture again, 0 to 2^32-1."""
        seed = self.picture.request.seed
        assert seed is not None
        return seed

    @property
    def seconds(self) -> float:
        """From asking to the finished picture."""
        return self.picture.seconds

    def save(self, path: str | Path) -> Path:
        """Write a PNG that carries prompt, settings, model and version as text; returns its path.

        InvalidInput unless the name ends in .png and its folder exists; Unavailable where it cannot be
        written. A file that is there is replaced.
        """
        file = check_png(Path(path))
        try:
            file.write_bytes(self._repr_png_())
        except OSError as error:
            raise Unavailable(f"cannot write '{file}': {error.strerror}") from None
        return file

    def _repr_png_(self) -> bytes:
        from .engine.png import encode

        return encode(self.picture)


class Limner:
    """One model, ready to draw. A context manager: leaving it frees the engine."""

    def __init__(self, studio: Studio, model: str) -> None:
        """Draw with `model` on any Studio; `limner.load` is the usual way here."""
        self._studio = studio
        self._model = model

    @overload
    def draw(
        self,
        prompt: str,
        *,
        seed: int | None = ...,
        steps: int | None = ...,
        guidance_scale: float | None = ...,
        guidance_interval: tuple[float, float] | None = ...,
        negative_prompt: str = ...,
        sampler: str | None = ...,
        width: int | None = ...,
        height: int | None = ...,
        count: Literal[1] = ...,
        on_step: OnStep | None = ...,
    ) -> Drawn: ...

    @overload
    def draw(
        self,
        prompt: str,
        *,
        seed: int | None = ...,
        steps: int | None = ...,
        guidance_scale: float | None = ...,
        guidance_interval: tuple[float, float] | None = ...,
        negative_prompt: str = ...,
        sampler: str | None = ...,
        width: int | None = ...,
        height: int | None = ...,
        count: int,
        on_step: OnStep | None = ...,
    ) -> Drawn | list[Drawn]: ...

    def draw(
        self,
        prompt: str,
        *,
        seed: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        negative_prompt: str = "",
        sampler: str | None = None,
        width: int | None = None,
        height: int | None = None,
        count: int = 1,
        on_step: OnStep | None = None,
    ) -> Drawn | list[Drawn]:
        """Draw a sentence: one picture, or a list of them where `count` (1 to 64) is above 1.

        None means what the model's manifest says. `seed` is 0 to 2^32-1, at random where None; picture k of
        several has the seed `seed + k`, and they are drawn at the same time. `steps` is 1 to 150,
        `guidance_scale` 1 to 30 and applies to the part `guidance_interval` of the steps, as fractions.
        `sampler` is "ddim", "euler" or "dpm++2m". `on_step(k, stepped)` is called after every step of
        picture k (from 0), in the caller's thread; `stepped.preview` is a small picture or None.

        InvalidInput names the argument that cannot be used. Ctrl-C stops the drawing.
        """
        request = request_of(
            prompt=prompt,
            model=self._model,
            seed=seed,
            steps=steps,
            guidance_scale=guidance_scale,
            guidance_interval=guidance_interval,
            negative_prompt=negative_prompt,
            sampler=sampler,
            width=width,
            height=height,
        )
        drawn = self.draw_all(request, count, on_step)
        return drawn[0] if count == 1 else drawn

    def draw_all(self, request: DrawRequest, count: int = 1, on_step: OnStep | None = None) -> list[Drawn]:
        """Like `draw`, from a DrawRequest (its model is used); always a list."""
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_PICTURES:
            raise InvalidInput(f"count must be 1 to {MAX_PICTURES}, not {count}", field="count")
        first = request.seed if request.seed is not None else secrets.randbelow(MAX_SEED + 1)
        seeds = [(first + k) % (MAX_SEED + 1) for k in range(count)]
        requests = [self._studio.resolve(request.model_copy(update={"seed": seed})) for seed in seeds]
        events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        drawings: list[Drawing] = []
        found: dict[int, Drawn] = {}
        try:
            for k, one in enumerate(requests):
                drawings.append(self._studio.start(one, _listener(events, k)))
            while len(found) < count:
                k, event = events.get()
                _take(k, event, found, on_step)
        except BaseException:
            for drawing in drawings:
                drawing.cancel()
            raise
        return [found[k] for k in range(count)]

    def close(self) -> None:
        """Free the engine; nothing can be drawn after it."""
        self._studio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _listener(events: SimpleQueue[tuple[int, Event]], k: int) -> Callable[[Event], None]:
    return lambda event: events.put((k, event))


def _take(k: int, event: Event, found: dict[int, Drawn], on_step: OnStep | None) -> None:
    if isinstance(event, Finished):
        found[k] = Drawn(event.picture)
    elif isinstance(event, Failed):
        if isinstance(event.error, LimnerError):
            raise event.error
        raise Unavailable(f"the picture could not be drawn: {event.error}") from event.error
    elif isinstance(event, Stopped):
        raise Cancelled("the drawing was stopped")
    elif on_step is not None:
        on_step(k, event)


def request_of(**arguments: Any) -> DrawRequest:
    """A checked DrawRequest; InvalidInput names the argument that is wrong, and a short value."""
    try:
        return DrawRequest(**arguments)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        if first["type"] == "string_pattern_mismatch":
            raise InvalidInput(f"{field} must not be empty", field=field) from None
        value = repr(first["input"])
        shown = f", not {value}" if len(value) <= 60 else ""
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{field}: {message}{shown}", field=field) from None


def check_png(file: Path) -> Path:
    """The path itself where a PNG can be written to it; InvalidInput says what is in the way."""
    if file.suffix.lower() != ".png":
        raise InvalidInput(f"'{file}': pictures are written as PNG; give a name that ends in .png", "output")
    if not file.parent.is_dir():
        raise InvalidInput(f"folder '{file.parent}' does not exist; make it first", "output")
    if file.is_dir():
        raise InvalidInput(f"'{file}' is a folder; give the name of a file", "output")
    return file


def load(
    name: str = "storybook",
    data_dir: str | Path | None = None,
    *,
    backend: str = "auto",
    threads: int | None = None,
) -> Limner:
    """Open a model: its name, `name@version`, `name@alias`, or the path of a model directory.

    `data_dir` is where own models live (else LIMNER_DATA_DIR, else the platform's place). `backend` is
    "auto", "openvino" or "onnxruntime"; `threads` limits the processor cores. The weights are read at the
    first picture.

    NotFound lists the known models; Unavailable says what has to be installed.
    """
    from .engine.studio import LocalStudio
    from .registry.models import Registry
    from .registry.places import data_dir as place

    registry = Registry(place(Path(data_dir) if data_dir is not None else None))
    registry.find(name)
    return Limner(LocalStudio(registry, backend=backend, threads=threads), name)
