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
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack, overload

from pydantic import ValidationError

from .engine.request import (
    MAX_SEED,
    DrawRequest,
    Event,
    Failed,
    Finished,
    Picture,
    Stepped,
    Stopped,
    WordMaps,
)
from .errors import Cancelled, InvalidInput, LimnerError, Unavailable
from .registry.making import check_writable, write_whole

if TYPE_CHECKING:
    from PIL import Image

    from .engine.source import AnyPicture, Box, Source
    from .engine.studio import Drawing, Studio

MAX_PICTURES = 64

OnStep = Callable[[int, Stepped], None]


class Options(TypedDict, total=False):
    """What `Limner.draw` takes besides the sentence."""

    seed: int | None
    steps: int | None
    guidance_scale: float | None
    guidance_interval: tuple[float, float] | None
    feature_reuse: int | None
    negative_prompt: str
    sampler: str | None
    width: int | None
    height: int | None
    image: AnyPicture | None
    mask: AnyPicture | None
    keep: Box | None
    outward: float | None
    strength: float | None
    variation_seed: int | None
    variation_strength: float | None
    decoder: Literal["full", "tiny"] | None
    attention: bool
    temperature: float | None
    top_k: int | None
    best_of: int
    matcher: str | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn picture, number `index` of those that were asked for together; in a notebook it shows itself."""

    picture: Picture
    index: int = 0

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

    @property
    def attention(self) -> WordMaps | None:
        """Which word drew what, where it was asked for."""
        return self.picture.attention

    def heat_sheet(self) -> Image.Image:
        """The picture, and where each of its words drew, as one captioned page.

        InvalidInput where `attention` was not asked for.
        """
        from .engine.heat import word_sheet

        if self.attention is None:
            raise InvalidInput(
                "which word drew what was not asked for: draw with attention", field="attention"
            )
        return word_sheet(self.picture.pixels, self.attention)

    def save(self, path: str | Path) -> Path:
        """Write a PNG that carries prompt, settings, model and version as text; returns its path.

        InvalidInput unless the name ends in .png and its folder exists; Unavailable where it cannot be
        written. A file that is there is replaced.
        """
        return write_png(Path(path), self._repr_png_())

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
        count: Literal[1] = ...,
        on_step: OnStep | None = ...,
        **options: Unpack[Options],
    ) -> Drawn: ...

    @overload
    def draw(
        self,
        prompt: str,
        *,
        count: int,
        on_step: OnStep | None = ...,
        **options: Unpack[Options],
    ) -> Drawn | list[Drawn]: ...

    def draw(
        self,
        prompt: str,
        *,
        count: int = 1,
        on_step: OnStep | None = None,
        **options: Unpack[Options],
    ) -> Drawn | list[Drawn]:
        """Draw a sentence: one picture, or a list of them where `count` (1 to 64) is above 1.

        None means what the model's manifest says. `seed` is 0 to 2^32-1, at random where None; picture k of
        several has the seed `seed + k`, and they are drawn at the same time. `steps` is 1 to 150,
        `guidance_scale` 1 to 30 and applies to the part `guidance_interval` of the steps, as fractions. Of
        every `feature_reuse` steps, 1 to 10, all but the first use its deep features again, which is faster.
        `sampler` is "ddim", "euler" or "dpm++2m". `on_step(k, stepped)` is called after every step of
        picture k (from 0), in the caller's thread; `stepped.preview` is a small picture or None.

        `image` (a path, Pillow image, array or bytes) is what to begin from, and `strength` (0 to 1, 0.6) how much of
        it may change. White of `mask` is redrawn, or all but the part `keep` (left, top, right, bottom as shares), or
        all around the picture made smaller by `outward` (0.25 to 0.9). Variations stay near the picture of `seed`:
        `variation_strength` (0 to 1, 0.3) says how far they go, `variation_seed` in which direction.

        With `best_of` above 1 so many are drawn for each picture, and the one is kept that `matcher` finds nearest to
        the sentence: a matcher by name, or the folder of a CLIP checkpoint; None means matcher-<world> of the model's
        world. `count` times `best_of` are 64 at most.

        `decoder` "tiny" makes the picture by a tiny decoder, where the model has one: faster, coarser. With `attention`
        the picture also tells which word drew what (`Drawn.attention`, `Drawn.heat_sheet`).

        InvalidInput names the argument that cannot be used. Ctrl-C stops the drawing.
        """
        ways = {name: options.pop(name, None) for name in ("image", "mask", "keep", "outward")}  # type: ignore[misc]
        source, named = source_of(**ways)
        request = request_of(prompt=prompt, model=self._model, **named, **options)
        drawn = self.draw_all(request, count, on_step, source)
        return drawn[0] if count == 1 else drawn

    def draw_all(
        self,
        request: DrawRequest,
        count: int = 1,
        on_step: OnStep | None = None,
        source: Source | None = None,
    ) -> list[Drawn]:
        """Like `draw`, from a DrawRequest (its model is used) and what `source_of` gave; always a list."""
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_PICTURES:
            raise InvalidInput(f"count must be 1 to {MAX_PICTURES}, not {count}", field="count")
        if (together := request.best_of * count) > MAX_PICTURES:
            raise InvalidInput(
                f"best_of {request.best_of} for count {count} are {together} pictures; at most {MAX_PICTURES}",
                "best_of",
            )
        if request.matcher is not None:
            from .families.matcher.opening import typed_here

            request = request.model_copy(update={"matcher": typed_here(request.matcher)})
        if request.seed is None:
            request = request.model_copy(update={"seed": secrets.randbelow(MAX_SEED + 1)})
        first = self._studio.resolve(request, source)
        requests = [first.nth(k) for k in range(count)]
        events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        drawings: list[Drawing] = []
        found: dict[int, Drawn] = {}
        try:
            for k, one in enumerate(requests):
                drawings.append(self._studio.start(one, _listener(events, k), source))
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
        found[k] = Drawn(event.picture, k)
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


def source_of(
    image: AnyPicture | None = None,
    mask: AnyPicture | None = None,
    keep: Box | None = None,
    outward: float | None = None,
) -> tuple[Source | None, dict[str, str]]:
    """What to work from, and how the request names it; InvalidInput names the argument that is wrong."""
    if image is None:
        for name, given in (("mask", mask), ("keep", keep), ("outward", outward)):
            if given is not None:
                raise InvalidInput(f"{name} needs a picture to work from: give an image", field=name)
        return None, {}
    from .engine.source import read_source

    source = read_source(image, mask, keep, outward)
    named = {"image": _named(image, "picture")}
    ways = {"keep": keep, "outward": outward, "mask": None if mask is None else _named(mask, "mask")}
    for name, value in ways.items():
        if value is not None:
            named["mask"] = str(value) if name == "mask" else f"{name} {value}"
    return source, named


def _named(picture: AnyPicture, otherwise: str) -> str:
    return Path(picture).name[-200:] if isinstance(picture, str | Path) else otherwise


def check_png(file: Path) -> Path:
    """The path itself where a PNG can be written to it; InvalidInput says what is in the way, Unavailable that no file
    can be made there."""
    if file.suffix.lower() != ".png":
        raise InvalidInput(f"'{file}': pictures are written as PNG; give a name that ends in .png", "output")
    if not file.parent.is_dir():
        raise InvalidInput(f"folder '{file.parent}' does not exist; make it first", "output")
    if file.is_dir():
        raise InvalidInput(f"'{file}' is a folder; give the name of a file", "output")
    check_writable(file.parent)
    return file


def write_png(file: Path, png: bytes) -> Path:
    """Write the bytes of a PNG, whole or not at all; gives the path, and raises what `Drawn.save` does."""
    check_png(file)
    try:
        write_whole(file, png)
    except OSError as error:
        raise Unavailable(f"cannot write '{file}': {error.strerror}") from None
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
