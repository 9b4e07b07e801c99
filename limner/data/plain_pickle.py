"""Pickles that hold plain data, read without Python's unpickler.

A pickle is a program for a small machine that can import and call anything. Here is that machine without the
instructions that do: what is left makes lists, tuples, dicts, strings, bytes, numbers, True, False and None, from files
of any protocol and of Python 2, whose strings become text. Everything else is refused by name, and nothing is run.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, NotFound

MAX_BYTES = 1 << 30
"""Files of more are refused."""

_MARK = object()
_LARGEST_NUMBER = 4096  # bytes of an integer
_NAMES = {
    b"c": "GLOBAL", b"\x93": "STACK_GLOBAL", b"i": "INST", b"o": "OBJ", b"R": "REDUCE", b"b": "BUILD",
    b"\x81": "NEWOBJ", b"\x92": "NEWOBJ_EX", b"P": "PERSID", b"Q": "BINPERSID", b"\x82": "EXT1", b"\x83": "EXT2",
    b"\x84": "EXT4", b"\x8f": "EMPTY_SET", b"\x90": "ADDITEMS", b"\x91": "FROZENSET", b"\x96": "BYTEARRAY8",
    b"\x97": "NEXT_BUFFER", b"\x98": "READONLY_BUFFER",
}  # fmt: skip


class _RefusedError(Exception):
    """What is wrong with a pickle, in words."""


def read_plain_pickle(file: Path) -> Any:
    """What a pickle of plain data holds.

    NotFound without the file; InvalidInput where it is no pickle, is broken, or wants anything but plain data made:
    the message says what.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"pickle '{file}' has more than {MAX_BYTES >> 30} GiB; it is not read")
        data = file.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"pickle '{file}' not found") from None
    try:
        return plain_pickle(data)
    except InvalidInput as error:
        raise InvalidInput(f"pickle '{file}' {error}") from None


def plain_pickle(data: bytes) -> Any:
    """As `read_plain_pickle`, for bytes."""
    try:
        return _Machine(data).run()
    except _RefusedError as error:
        raise InvalidInput(f"is refused: {error}") from None
    except (IndexError, KeyError, TypeError, ValueError, struct.error, AttributeError, OverflowError):
        raise InvalidInput("is broken, or no pickle") from None


class _Machine:
    """Stack, memo and place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        while True:
            code = self._take(1)
            if code == b".":
                found = self._pop()
                if self._stack:
                    raise ValueError
                return found
            if code in _SIMPLE:
                self._stack.append(_SIMPLE[code]())
            elif code in _READERS:
                self._stack.append(_READERS[code](self))
            elif code in _ACTIONS:
                _ACTIONS[code](self)
            else:
                raise _RefusedError(self._why(code))

    def _why(self, code: bytes) -> str:
        plain = "only lists, tuples, dicts, strings, numbers, booleans and None are read"
        if code not in _NAMES:
            return f"byte {code[0]:#04x} is no instruction of a pickle; {plain}"
        named = ""
        if code in b"ci":
            named = ".".join(self._line().decode("ascii", "replace") for _ in range(2))
        elif code == b"\x93" and all(isinstance(each, str) for each in self._stack[-2:]):
            named = ".".join(self._stack[-2:])
        told = f" of {named[:100]!r}" if named else ""
        return f"{_NAMES[code]}{told} would make something else; {plain}"

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if count < 0 or len(taken) < count:
            raise ValueError
        self._at += count
        return taken

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _line(self) -> bytes:
        end = self._data.index(b"\n", self._at)
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _sized(self, form: str) -> bytes:
        return self._take(self._number(form))

    def _since_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError
        found = self._stack[place + 1 :]
        del self._stack[place:]
        return found

    def _long(self, data: bytes) -> int:
        if len(data) > _LARGEST_NUMBER:
            raise _RefusedError(f"an integer of {len(data)} bytes")
        return int.from_bytes(data, "little", signed=True)

    def _decimal(self) -> int | bool:
        line = self._line().rstrip(b"L")
        if line in (b"00", b"01"):
            return line == b"01"
        if len(line) > _LARGEST_NUMBER:
            raise _RefusedError(f"an integer of {len(line)} digits")
        return int(line)

    def _quoted(self) -> str:
        line = self._line().strip()
        if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
            raise ValueError
        return _text(codecs.escape_decode(line[1:-1])[0])

    def _top(self) -> Any:
        if self._stack[-1] is _MARK:
            raise ValueError
        return self._stack[-1]

    def _pop(self) -> Any:
        found = self._top()
        self._stack.pop()
        return found

    def _drop(self) -> None:
        self._stack.pop()

    def _put(self, place: int) -> None:
        self._memo[place] = self._top()

    def _list_of(self, count: int | None) -> None:
        found = [self._pop()] if count == 1 else self._since_mark()
        into = self._top()
        if not isinstance(into, list):
            raise TypeError
        into.extend(found)

    def _pairs(self, found: list[Any]) -> dict[Any, Any]:
        for key in found[::2]:
            # Hashing tuples within tuples within tuples would use up the stack of the process.
            if isinstance(key, tuple) and any(isinstance(each, tuple) for each in key):
                raise _RefusedError("a key of a dict that is a tuple of tuples")
        return dict(zip(found[::2], found[1::2], strict=True))

    def _items_of(self, count: int | None) -> None:
        found = [self._pop(), self._pop()][::-1] if count == 1 else self._since_mark()
        into = self._top()
        if not isinstance(into, dict):
            raise TypeError
        into.update(self._pairs(found))

    def _tuple_of(self, count: int) -> None:
        if count > len(self._stack) or any(each is _MARK for each in self._stack[-count:]):
            raise ValueError
        self._stack[-count:] = [tuple(self._stack[-count:])]


def _text(data: bytes) -> str:
    """A string of Python 2; what is not UTF-8 is marked as unreadable."""
    return data.decode("utf-8", "replace")


_SIMPLE: dict[bytes, Callable[[], Any]] = {
    b"N": lambda: None,
    b"\x88": lambda: True,
    b"\x89": lambda: False,
    b"]": list,
    b"}": dict,
    b")": tuple,
    b"(": lambda: _MARK,
}

_READERS: dict[bytes, Callable[[_Machine], Any]] = {
    b"I": lambda m: m._decimal(),
    b"L": lambda m: m._decimal(),
    b"J": lambda m: m._number("<i"),
    b"K": lambda m: m._number("<B"),
    b"M": lambda m: m._number("<H"),
    b"\x8a": lambda m: m._long(m._sized("<B")),
    b"\x8b": lambda m: m._long(m._sized("<i")),
    b"F": lambda m: float(m._line()),
    b"G": lambda m: struct.unpack(">d", m._take(8))[0],
    b"S": lambda m: m._quoted(),
    b"T": lambda m: _text(m._sized("<i")),
    b"U": lambda m: _text(m._sized("<B")),
    b"V": lambda m: m._line().decode("raw-unicode-escape"),
    b"X": lambda m: m._sized("<I").decode("utf-8", "surrogatepass"),
    b"\x8c": lambda m: m._sized("<B").decode("utf-8", "surrogatepass"),
    b"\x8d": lambda m: m._sized("<Q").decode("utf-8", "surrogatepass"),
    b"B": lambda m: m._sized("<I"),
    b"C": lambda m: m._sized("<B"),
    b"\x8e": lambda m: m._sized("<Q"),
    b"2": lambda m: m._top(),
    b"g": lambda m: m._memo[int(m._line())],
    b"h": lambda m: m._memo[m._number("<B")],
    b"j": lambda m: m._memo[m._number("<I")],
    b"l": lambda m: m._since_mark(),
    b"t": lambda m: tuple(m._since_mark()),
    b"d": lambda m: m._pairs(m._since_mark()),
}

_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": lambda m: _protocol(m._number("<B")),
    b"\x95": lambda m: _frame(m._number("<Q")),
    b"0": lambda m: m._drop(),
    b"1": lambda m: _nothing(m._since_mark()),
    b"p": lambda m: m._put(int(m._line())),
    b"q": lambda m: m._put(m._number("<B")),
    b"r": lambda m: m._put(m._number("<I")),
    b"\x94": lambda m: m._put(len(m._memo)),
    b"a": lambda m: m._list_of(1),
    b"e": lambda m: m._list_of(None),
    b"s": lambda m: m._items_of(1),
    b"u": lambda m: m._items_of(None),
    b"\x85": lambda m: m._tuple_of(1),
    b"\x86": lambda m: m._tuple_of(2),
    b"\x87": lambda m: m._tuple_of(3),
}


def _protocol(number: int) -> None:
    if number > 5:
        raise _RefusedError(f"protocol {number}; 0 to 5 are known")


def _frame(length: int) -> None:
    """How far the next frame reaches; everything is in memory already."""


def _nothing(found: list[Any]) -> None:
    """What lay above the mark is dropped."""
