from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pytest

from limner.engine.apart.framing import BrokenFrame, Frame, read, write
from limner.engine.apart.messages import (
    FROM_ENGINE,
    TO_ENGINE,
    Cancel,
    Start,
    error_of,
    event_frame,
    event_of,
    fault_of,
    source_of,
    start_frame,
)
from limner.engine.request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped, WordMaps
from limner.engine.source import Source
from limner.errors import Busy, InvalidInput, LimnerError, Lost, NotFound

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # a test has closed it


def raw(head: object, arrays: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + arrays


def picture(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)


def stream(pipe: Pipe) -> BinaryIO:
    return open(pipe[0], "rb", closefd=False)


def over(pipe: Pipe, event: Event) -> Event:
    """The event as it comes out at the other end."""
    writer = threading.Thread(target=write, args=(pipe[1], event_frame(3, event)))
    writer.start()
    frame = read(stream(pipe), FROM_ENGINE)
    writer.join()
    assert frame is not None
    return event_of(frame.message, frame.arrays)  # type: ignore[arg-type]


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Stepped | Finished | Picture | WordMaps):
        return type(one) is type(other) and all(same(v, vars(other)[k]) for k, v in vars(one).items())
    return one == other


MAPS = WordMaps(
    ("red", "apple"),
    (np.full((2, 4, 4), 1 / 3, np.float32), np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 8, 8)),
)
REQUEST = DrawRequest(prompt='a "red" äpple\n', seed=2**32 - 1, guidance_interval=(0.1, 1 / 3))
EVENTS = [
    Stepped(1, 20, None),
    Stepped(2, 20, picture(8), (picture(4), picture(300)), MAPS),
    Stepped(2, 20, picture(8), (), WordMaps((), ())),
    Finished(Picture(picture(512), REQUEST, "storybook", "2", 1 / 3)),
    Finished(Picture(picture(16), REQUEST, "storybook", "2", 0.1, (picture(4), picture(8)), MAPS)),
    Stopped(),
]


@pytest.mark.parametrize("event", EVENTS, ids=range(len(EVENTS)))
def test_an_event_comes_out_as_it_went_in(pipe: Pipe, event: Event) -> None:
    assert same(event, over(pipe, event))


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("no such size", "width"),
        NotFound("no such model"),
        Busy("full", 7.0),
        Lost("gone"),
        LimnerError("plain"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_keeps_its_class_and_what_comes_with_it(pipe: Pipe, error: LimnerError) -> None:
    came = over(pipe, Failed(error))
    assert isinstance(came, Failed) and type(came.error) is type(error) and came.error.args == error.args


def test_an_error_of_no_class_of_ours_keeps_its_words() -> None:
    assert repr(error_of(fault_of(KeyError("unet")))) == repr(RuntimeError("'unet'"))
    assert str(error_of(fault_of(ValueError()))) == "ValueError"


@pytest.mark.parametrize(
    "source",
    [
        None,
        Source(picture(40)),
        Source(picture(40), np.eye(40, dtype=np.uint8)),
        Source(picture(9), keep=(0.0, 0.1, 1 / 3, 1.0)),
        Source(picture(9), outward=0.5),
    ],
)
def test_a_request_comes_with_its_source(pipe: Pipe, source: Source | None) -> None:
    write(pipe[1], start_frame(5, REQUEST, source))
    frame = read(stream(pipe), TO_ENGINE)
    assert frame is not None and isinstance(frame.message, Start)
    assert (frame.message.picture, frame.message.request) == (5, REQUEST)
    came = source_of(frame)
    assert same(
        tuple(vars(source).values()) if source else None, tuple(vars(came).values()) if came else None
    )


def test_frames_follow_on_each_other_until_the_end(pipe: Pipe) -> None:
    for number in range(3):
        write(pipe[1], Frame(Cancel(picture=number)))
    os.close(pipe[1])
    heard = stream(pipe)
    frames = [read(heard, TO_ENGINE) for _ in range(4)]
    assert [frame and frame.message for frame in frames] == [*(Cancel(picture=k) for k in range(3)), None]


@pytest.mark.parametrize("kept", [2, 30, -1])
def test_a_frame_that_breaks_off_is_the_end(pipe: Pipe, kept: int) -> None:
    inner, outer = os.pipe()
    write(outer, start_frame(1, REQUEST, Source(picture(9))))
    os.close(outer)
    whole = os.read(inner, 2**16)
    os.close(inner)
    os.write(pipe[1], whole[:kept])
    os.close(pipe[1])
    assert read(stream(pipe), TO_ENGINE) is None


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 2**31),
        raw({"message": {"kind": "ready"}}),  # the other direction's
        raw({"message": {"kind": "cancel", "picture": "x"}}),
        raw([]),
        raw({"message": {"kind": "cancel", "picture": 1}, "arrays": [["object", [1]]]}, b"12345678"),
        raw({"message": {"kind": "cancel", "picture": 1}, "arrays": [["uint8", [-1]]]}),
        raw({"message": {"kind": "cancel", "picture": 1}, "arrays": [["uint8", [2**20, 2**20]]]}),
        b"\x02\x00\x00\x00\x80\x04",  # a pickle
    ],
)
def test_what_is_no_frame_is_refused(pipe: Pipe, data: bytes) -> None:
    os.write(pipe[1], data)
    os.close(pipe[1])
    with pytest.raises(BrokenFrame):
        read(stream(pipe), TO_ENGINE)


def test_only_pictures_and_maps_are_sent(pipe: Pipe) -> None:
    with pytest.raises(BrokenFrame, match="float64"):
        write(pipe[1], Frame(Cancel(picture=1), (np.zeros(3),)))
