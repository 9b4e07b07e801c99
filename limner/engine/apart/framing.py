"""Frames on a byte stream: a typed message as JSON, then the arrays that go with it, as they lie in memory.

A frame is four bytes with the length of its JSON (little-endian), the JSON `{"message", "arrays": [[type, shape]]}`,
and the bytes of each array in C order. Nothing in a frame is code, and only two types of array are taken.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError

from ...errors import LimnerError

Array = NDArray[Any]
MOST_JSON, MOST_ARRAYS = 2**24, 2**30
"""Bytes of one frame at most; more is no frame of ours."""

_LENGTH = struct.Struct("<I")
_TYPES = {"uint8": np.uint8, "float32": np.float32}

Message = TypeVar("Message", bound=BaseModel)


@dataclass(frozen=True)
class Frame(Generic[Message]):
    """A message and its arrays, in the order in which the message counts on them."""

    message: Message
    arrays: tuple[Array, ...] = ()


class BrokenFrame(LimnerError):
    """What came is no frame: the two sides do not speak the same."""


class _Head(BaseModel):
    message: Any
    arrays: tuple[tuple[str, tuple[int, ...]], ...] = ()


def write(descriptor: int, frame: Frame[Any]) -> None:
    """Write a whole frame; OSError where the other side is gone. Arrays are uint8 or float32.

    It goes in one piece as far as the system takes it, so that who reads is woken once.
    """
    arrays = [np.ascontiguousarray(array) for array in frame.arrays]
    for array in arrays:
        if array.dtype.name not in _TYPES:
            raise BrokenFrame(f"arrays of {array.dtype.name} are not sent; allowed: {', '.join(_TYPES)}")
    shapes = json.dumps([(array.dtype.name, array.shape) for array in arrays])
    text = f'{{"message":{frame.message.model_dump_json()},"arrays":{shapes}}}'.encode()
    parts = [_LENGTH.pack(len(text)), text, *(array.tobytes() for array in arrays)]
    _write_all(descriptor, b"".join(parts))


def read(stream: BinaryIO, messages: TypeAdapter[Message]) -> Frame[Message] | None:
    """Wait for a whole frame of a buffered stream; None where that has ended, also in the middle of one.

    BrokenFrame where the bytes are no frame, or the message is none of `messages`.
    """
    length = _read_all(stream, _LENGTH.size)
    if length is None:
        return None
    (size,) = _LENGTH.unpack(length)
    if size > MOST_JSON:
        raise BrokenFrame(f"a frame of {size} bytes of JSON; at most {MOST_JSON}")
    text = _read_all(stream, size)
    if text is None:
        return None
    try:
        head = _Head.model_validate_json(text)
        message = messages.validate_python(head.message)
    except ValidationError as error:
        raise BrokenFrame(f"a message that is not known: {str(error).splitlines()[0]}") from None
    arrays = _read_arrays(stream, head.arrays)
    return None if arrays is None else Frame(message, arrays)


def _read_arrays(stream: BinaryIO, told: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Array, ...] | None:
    if any(name not in _TYPES or any(side < 0 for side in shape) for name, shape in told):
        raise BrokenFrame("a frame with arrays of another kind")
    if sum(prod(shape) * np.dtype(_TYPES[name]).itemsize for name, shape in told) > MOST_ARRAYS:
        raise BrokenFrame(f"a frame with more than {MOST_ARRAYS} bytes of arrays")
    found = []
    for name, shape in told:
        array = np.empty(shape, _TYPES[name])
        if array.size and not _fill(stream, array.data.cast("B")):
            return None
        found.append(array)
    return tuple(found)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _read_all(stream: BinaryIO, size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def _fill(stream: BinaryIO, into: memoryview) -> bool:
    filled = 0
    while filled < len(into):
        part = stream.readinto(into[filled:])  # type: ignore[attr-defined]
        if not part:
            return False
        filled += part
    return True
