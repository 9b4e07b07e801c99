"""What the engine's process says, and when: what it lets be seen of its work comes in few frames, and in time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from limner.engine.apart import child
from limner.engine.apart.framing import Frame, read
from limner.engine.apart.messages import FROM_ENGINE, Beat, Seen, Step, Stop, event_frame
from limner.engine.request import Stepped, Stopped
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
