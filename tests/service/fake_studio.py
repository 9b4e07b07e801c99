"""A studio that draws plain colour from the seed, with knobs to be slow, to wait or to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.best import Candidates, Choosers
from limner.engine.request import (
    DrawRequest,
    Event,
    Failed,
    Finished,
    Picture,
    Stepped,
    Stopped,
    WordMaps,
)
from limner.engine.source import Source
from limner.errors import InvalidInput, NotFound
from limner.registry.manifest import Lineage, Manifest, Preview, Size
from limner.registry.models import Model, Registry

MANIFEST = Manifest(
    name="storybook",
    version="1",
    title="Fake",
    description="Plain colours.",
    family="diffusion",
    graphs={},
    sizes=(Size(width=64, height=64),),
    preview=Preview(matrix=((1.0, 0.0, 0.0),), bias=(0.0, 0.0, 0.0)),
    vocabulary=("apple", "red"),
    licence="Apache-2.0",
    lineage=Lineage(
        data="none",
        data_hash="0",
        recipe="none",
        commit="0",
        hardware="none",
        hours=0,
        examples=0,
    ),
)


class FakeDrawing:
    """One picture on its own thread."""

    def __init__(
        self,
        studio: FakeStudio,
        request: DrawRequest,
        on_event: Callable[[Event], None],
    ) -> None:
        self._studio, self._request, self._on_event = studio, request, on_event
        self._cancelled = threading.Event()
        threading.Thread(target=self._draw, daemon=True).start()

    def cancel(self) -> None:
        """Stop at the next step."""
        self._cancelled.set()

    def _draw(self) -> None:
        self._on_event(self._outcome())
        self._studio.ended.release()

    def _outcome(self) -> Event:
        steps = self._request.steps or 1
        pixels = self._studio.colour(self._request.seed or 0)
        for step in range(1, steps + 1):
            while not self._studio.moves():
                if self._cancelled.is_set():
                    return Stopped()
            if self._cancelled.wait(self._studio.seconds_a_step):
                return Stopped()
            if step == min(2, steps) and self._studio.fails():
                return Failed(RuntimeError("the paint ran out"))
            if step % self._studio.every and step < steps:
                continue
            self._on_event(Stepped(step, steps, pixels[:8, :8].copy()))
        told = None
        if self._request.attention:
            words = tuple(self._request.prompt.split())
            shares = np.linspace(0, 1, 64 * len(words), dtype=np.float32).reshape(len(words), 8, 8)
            told = WordMaps(words, (shares,))
        return Finished(Picture(pixels, self._request, "storybook", "1", 0.01, attention=told))


class FakeStudio:
    """A Studio. While `gate` is clear nothing moves, and where there are `permits` each step of a picture takes one.

    The next `failures` pictures fail, each once `fail_after` others have ended. Of steps each `every`th and the last
    are told.
    """

    def __init__(self, seconds_a_step: float = 0.0, failures: int = 0) -> None:
        self.seconds_a_step, self.failures = seconds_a_step, failures
        self.fail_after = 0
        self.every = 1
        self.ended = threading.Semaphore(0)
        self._counting = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.permits: threading.Semaphore | None = None
        self.started: list[DrawRequest] = []
        self.sources: list[Source | None] = []
        self.closed = False
        self.folder = Path("/nowhere")
        self.drawn_by = "the first weights"
        self.more: tuple[Manifest, ...] = ()
        self.unjudged = False
        self.choosers = Choosers(Registry(Path("/nowhere")))

    @staticmethod
    def colour(seed: int) -> NDArray[np.uint8]:
        """The picture of a seed, (64, 64, 3)."""
        return np.full((64, 64, 3), [seed % 256, seed // 256 % 256, 99], np.uint8)

    def moves(self) -> bool:
        """Whether the picture that asks may take a step; waits for it for a moment."""
        return self.gate.wait(0.005) and (self.permits is None or self.permits.acquire(timeout=0.005))

    def fails(self) -> bool:
        """Whether the picture that asks is to fail."""
        with self._counting:
            if self.failures == 0:
                return False
            self.failures -= 1
        for _ in range(self.fail_after):
            self.ended.acquire(timeout=5)
        return True

    def models(self) -> list[Model]:
        """The one model, and those of `more`."""
        return [Model(self.folder, manifest, True) for manifest in (MANIFEST, *self.more)]

    def model(self, reference: str) -> Model:
        """One of those."""
        found = [m for m in self.models() if reference in {m.name, f"{m.name}@{m.version}"}]
        if not found:
            raise NotFound(f"model '{reference}' not found; known: storybook")
        return found[0]

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """Fill the defaults; refuse other models and sizes."""
        self.model(request.model)
        for name in ("width", "height"):
            value = getattr(request, name)
            if value not in {None, 64}:
                raise InvalidInput(
                    f"{name} {value} is not a size of 'storybook'; it draws 64x64",
                    field=name,
                )
        filled = {
            "seed": 5,
            "steps": 4,
            "guidance_scale": 4.0,
            "sampler": "ddim",
            "width": 64,
            "height": 64,
        }
        if request.best_of > 1:
            if self.unjudged:
                raise InvalidInput("name the matcher", field="matcher")
            filled["matcher"] = "matcher-scenes@1"
        missing = {k: v for k, v in filled.items() if getattr(request, k) is None}
        return request.model_copy(update=missing)

    def identity(self, request: DrawRequest) -> str:
        """What draws, as the test says."""
        return self.drawn_by

    def judged(self, model: Model) -> bool:
        """By the built-in matcher, unless the test says other."""
        return not self.unjudged

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> FakeDrawing | Candidates:
        """Begin one picture."""
        if request.best_of > 1:
            picture = Candidates(self.resolve(request), on_event, self.choosers.choose)
            picture.begin(lambda one, heard: self.start(one, heard, source, name, bulk))
            return picture
        self.started.append(request)
        self.sources.append(source)
        return FakeDrawing(self, request, on_event)

    def state(self) -> str:
        """Draws at any time."""
        return "ok"

    @property
    def pid(self) -> int | None:
        """This process."""
        return None

    def close(self) -> None:
        """Say that it was closed."""
        self.closed = True
