"""Safetensors files: where each tensor lies, and writing them a run of bytes at a time.

Nothing is read that is not asked for, so that a file of gigabytes costs the memory of its header.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ..errors import InvalidInput

MAX_HEADER = 100_000_000  # bytes; the format's own limit
WIDTH = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes of one number, of the kinds that weights have."""

_CHUNK = 2**24
_METADATA = "__metadata__"


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a safetensors file: absolute offset and length in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def read_index(file: Path) -> dict[str, Stored]:
    """Names and places of a safetensors file's tensors, from its header; InvalidInput if damaged."""
    header, start = _header(file)
    size = file.stat().st_size
    index = {}
    try:
        for name, entry in header.items():
            if name == _METADATA:
                continue
            first, last = (int(place) for place in entry["data_offsets"])
            if not 0 <= first <= last <= size - start:
                raise InvalidInput(f"{file}: tensor {name!r} lies outside the file")
            shape = tuple(int(n) for n in entry["shape"])
            index[name] = Stored(str(entry["dtype"]), shape, start + first, last - first)
    except (ValueError, KeyError, TypeError, OverflowError):
        raise _unreadable(file) from None
    return index


def read_metadata(file: Path) -> dict[str, str]:
    """What the writer of a safetensors file noted in it; InvalidInput if damaged."""
    noted = _header(file)[0].get(_METADATA, {})
    if not isinstance(noted, dict):
        raise _unreadable(file)
    return {str(key): str(value) for key, value in noted.items()}


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """The header of a file, and the place of its first tensor."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise InvalidInput(f"{file} is not a safetensors file: its header does not fit in it")
        text = stream.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable(file) from None
    if not isinstance(header, dict):
        raise _unreadable(file)
    return header, 8 + length


def _unreadable(file: Path) -> InvalidInput:
    return InvalidInput(f"{file} is not a safetensors file: its header cannot be read")


@dataclass(frozen=True)
class Written:
    """A tensor to be written: `parts` gives its bytes, little-endian and row by row, when they are needed."""

    dtype: str
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[bytes]]

    @property
    def length(self) -> int:
        """Bytes of the whole tensor."""
        return prod(self.shape) * WIDTH[self.dtype]


def copied(file: Path, tensor: Stored) -> Written:
    """A tensor with the bytes that it has in another file, however many its shape needs."""
    return Written(tensor.dtype, tensor.shape, lambda: _runs(file, tensor.offset, tensor.length))


def _runs(file: Path, offset: int, length: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        stream.seek(offset)
        while length > 0:
            run = stream.read(min(length, _CHUNK))
            if not run:
                raise InvalidInput(f"{file} became shorter while it was read")
            length -= len(run)
            yield run


def write(
    file: Path, tensors: Mapping[str, Written], progress: Callable[[int], None] = lambda size: None
) -> None:
    """Write a file whole or not at all, tensors in the given order; `progress` is told how many bytes came.

    InvalidInput where a tensor gives other bytes than its shape needs.
    """
    header: dict[str, object] = {_METADATA: {"format": "pt"}}
    place = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.length],
        }
        place += tensor.length
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
    partial = file.with_name(file.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors.items():
            left = tensor.length
            for part in tensor.parts():
                stream.write(part)
                left -= len(part)
                progress(len(part))
            if left:
                raise InvalidInput(
                    f"tensor {name!r} has {tensor.length - left} bytes, not what its shape needs"
                )
    partial.replace(file)


def rewrite(source: Path, target: Path, replaced: Mapping[str, Written]) -> None:
    """Write `source` again as `target`, some tensors with other numbers of the same kind and shape.

    Every tensor stays where it is, so that what points into the one file fits the other. Whole or not at all.
    InvalidInput where a tensor is not there or is of another kind or shape.
    """
    index = read_index(source)
    for name, tensor in replaced.items():
        there = index.get(name)
        if there is None or (there.dtype, there.shape) != (tensor.dtype, tensor.shape):
            raise InvalidInput(f"{source} has no tensor {name!r} of {tensor.dtype} {list(tensor.shape)}")
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as stream:
        for run in _runs(source, 0, _header(source)[1]):
            stream.write(run)
        for name, there in sorted(index.items(), key=lambda entry: entry[1].offset):
            stream.seek(there.offset)
            left = there.length
            for part in replaced[name].parts() if name in replaced else _runs(source, there.offset, left):
                stream.write(part)
                left -= len(part)
            if left:
                raise InvalidInput(f"tensor {name!r} has {there.length - left} bytes, not {there.length}")
        stream.truncate(source.stat().st_size)
    partial.replace(target)
