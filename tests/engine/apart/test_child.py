"""What the engine's process says, and when: what it lets be seen of its work comes in few frames, and in time."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from limner.engine.apart import child
from limner.engine.apart.framing import Frame, read
from limner.engine.apart.messages import FROM_ENGINE, Beat, Fail, Log, Seen, Start, Step, Stop, event_frame
from limner.engine.backends import DeviceLost
from limner.engine.request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped
from limner.engine.studio import LocalStudio
from limner.engine.watching import Batch


@pytest.fixture
def said() -> Iterator[tuple[child._Child, BinaryIO]]:
    heard, nothing = os.pipe()
    inner, spoken = os.pipe()
    engine = child._Child(heard, spoken, child.local_studio)
    with os.fdopen(inner, "rb") as stream, engine._heard:
        yield engine, stream
    for descriptor in (nothing, spoken):
        os.close(descriptor)


def batch(rows: int) -> Batch:
    return Batch("m@1", "denoiser", "refine", rows, ("a",), 1.0, 0.1)


def kinds(stream: BinaryIO, count: int) -> list[object]:
    frames = [read(stream, FROM_ENGINE) for _ in range(count)]
    return [frame and frame.message for frame in frames]


def test_what_is_seen_comes_before_the_end_of_a_picture_in_one_frame(
    said: tuple[child._Child, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "WAIT", 1e9)
    engine, stream = said
    for rows in (1, 2):
        engine._seen(batch(rows))
        engine.say(event_frame(7, Stepped(rows, 2, None)))
    engine.say(event_frame(7, Stopped()))
    engine.say(Frame(Beat(memory=1, overgrown=False, still=0.0)))
    first, second, seen, end, beat = kinds(stream, 5)
    assert isinstance(first, Step) and isinstance(second, Step)
    assert isinstance(seen, Seen) and seen.sights == (batch(1), batch(2))
    assert isinstance(end, Stop) and isinstance(beat, Beat)


def test_what_has_waited_comes_before_a_step_too(
    said: tuple[child._Child, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "WAIT", -1.0)
    engine, stream = said
    engine._seen(batch(1))
    engine.say(event_frame(7, Stepped(1, 2, None)))
    seen, step = kinds(stream, 2)
    assert isinstance(seen, Seen) and seen.sights == (batch(1),) and isinstance(step, Step)


class Ending:
    """A studio whose pictures end at once, as they are to, after what comes `before`."""

    def __init__(self, event: Event, *before: Event) -> None:
        self.event, self.before = event, before

    def preload(self, model: str) -> None:
        assert isinstance(self.event, Failed)
        raise self.event.error

    def start(self, request: DrawRequest, tell: Callable[[Event], None], *rest: Any) -> SimpleNamespace:
        for event in (*self.before, self.event):
            tell(event)
        return SimpleNamespace()


@pytest.mark.parametrize(("frame", "told"), [(1e9, [1, 5]), (0.0, [1, 2, 3, 4, 5])])
def test_of_steps_that_come_too_fast_the_first_and_the_last_are_told(
    said: tuple[child._Child, BinaryIO], monkeypatch: pytest.MonkeyPatch, frame: float, told: list[int]
) -> None:
    monkeypatch.setattr(child, "FRAME", frame)
    engine, stream = said
    engine._studio = cast(LocalStudio, Ending(Stopped(), *(Stepped(k, 5, None) for k in range(1, 6))))
    engine._handle(Frame(Start(picture=7, request=DrawRequest(prompt="p"))))
    *steps, end = kinds(stream, len(told) + 1)
    assert [step.step for step in steps if isinstance(step, Step)] == told and isinstance(end, Stop)


UNSENDABLE = Finished(Picture(cast(Any, np.zeros((2, 2, 3))), DrawRequest(prompt="p"), "m", "1", 0.1))


@pytest.mark.parametrize(
    ("event", "words"),
    [(Failed(OSError("no file a\udc80.onnx")), "no file a?.onnx"), (UNSENDABLE, "BrokenFrame")],
    ids=["its text", "its arrays"],
)
def test_an_end_that_cannot_be_sent_as_it_is_is_told_as_a_failure(
    said: tuple[child._Child, BinaryIO], event: Event, words: str
) -> None:
    engine, stream = said
    engine._studio = cast(LocalStudio, Ending(event))
    engine._handle(Frame(Start(picture=7, request=DrawRequest(prompt="p"))))
    (end,) = kinds(stream, 1)
    assert isinstance(end, Fail) and end.picture == 7 and words in end.fault.text


@pytest.mark.parametrize("loads", [True, False], ids=["loading", "drawing"])
def test_it_ends_where_its_device_draws_nothing_more(
    said: tuple[child._Child, BinaryIO],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loads: bool,
) -> None:
    monkeypatch.setattr(os, "_exit", sys.exit)
    engine, _ = said
    engine._studio = cast(LocalStudio, Ending(Failed(DeviceLost("the GPU has failed"))))
    with pytest.raises(SystemExit, match="70"):
        if loads:
            engine._load("tiny")
        else:
            engine._handle(Frame(Start(picture=7, request=DrawRequest(prompt="p"))))
    assert "the GPU has failed" in caplog.text


def test_a_line_that_cannot_be_sent_as_it_is_is_logged(said: tuple[child._Child, BinaryIO]) -> None:
    engine, stream = said
    child._LogTo(engine.say).emit(logging.makeLogRecord({"name": "limner", "levelno": 30, "msg": "a\udc80"}))
    (line,) = kinds(stream, 1)
    assert isinstance(line, Log) and line.text == "a?"
