"""Pickles of plain data are read as Python reads them; those that would run something are refused and run nothing."""

from __future__ import annotations

import collections
import datetime
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from limner.data.plain_pickle import plain_pickle, read_plain_pickle
from limner.errors import InvalidInput, NotFound

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner, max_size=5).map(tuple),
    max_leaves=30,
)
PROTOCOLS = range(6)


@given(PLAIN, st.sampled_from(PROTOCOLS))
@settings(deadline=None, max_examples=80)
def test_plain_data_is_read_as_python_reads_it(data: Any, protocol: int) -> None:
    made = pickle.dumps(data, protocol)
    assume(
        protocol > 2 or not any(code.name == "GLOBAL" for code, *_ in pickletools.genops(made))
    )  # bytes, by a call
    found = plain_pickle(made)
    assert found == data and repr(found) == repr(data)
    assert plain_pickle(pickletools.optimize(made)) == data


@given(st.binary(max_size=60), st.sampled_from(PROTOCOLS))
@settings(deadline=None, max_examples=60)
def test_broken_bytes_end_in_one_line(noise: bytes, protocol: int) -> None:
    whole = pickle.dumps([1, "two", {"three": (4.0, None)}], protocol)
    for data in (noise, whole[: len(noise)], whole[: len(noise) // 3] + noise):
        try:
            plain_pickle(data)
        except InvalidInput as error:
            assert "\n" not in str(error)


class Exploit:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_exploit_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    place = tmp_path / "made by the pickle"
    hostile = pickle.dumps(["a name", Exploit(place)], protocol)
    file = tmp_path / "filenames.pickle"
    file.write_bytes(hostile)
    with pytest.raises(
        InvalidInput, match=r"filenames.pickle' is refused: (STACK_)?GLOBAL of '.*mkdir'"
    ) as caught:
        read_plain_pickle(file)
    assert "\n" not in str(caught.value)
    assert not place.exists()
    pickle.loads(hostile)
    assert place.exists()  # so the payload was a real one


@pytest.mark.parametrize(
    "payload",
    [
        b"cos\nsystem\n(S'touch x'\ntR.",
        b"(S'touch x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch x'\no.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02U\x01xQ.",
        b"Pname\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x04NN\x85" + 100_000 * b"\x85" + b"\x93.",
        b"\x80\x04]\x94"
        + b"".join(b"(" + 10 * bytes([ord("h"), k]) + b"l\x94" for k in range(60))
        + b"2\x93.",
        b"]}b.",
        b")\x81.",
        b"\x80\x05\x97.",
        b"\x80\xff.",
    ],
    ids=lambda payload: payload[:12].hex(),
)
def test_every_instruction_that_could_reach_code_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"refused|broken") as caught:
        plain_pickle(payload)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "thing",
    [
        np.arange(3), np.float32(1), {1, 2}, collections.OrderedDict(a=1), datetime.date(2020, 1, 1), Path("x"), len,
    ],
    ids=lambda thing: type(thing).__name__,
)  # fmt: skip
def test_what_is_not_plain_is_refused_by_name(thing: Any, protocol: int) -> None:
    with pytest.raises(InvalidInput, match=r"is refused: [A-Z_0-9]+ .*only lists, tuples, dicts"):
        plain_pickle(pickle.dumps([thing], protocol))


def test_python_2_wrote_strings_as_bytes() -> None:
    """What `pickle.dump(['001.A/a', u'caf\\xe9', 3], f, 2)` and protocol 0 write there."""
    second = b"\x80\x02]q\x00(U\x07001.A/aq\x01X\x05\x00\x00\x00caf\xc3\xa9q\x02K\x03e."
    first = b"(lp0\nS'001.A/a'\np1\naVcaf\\u00e9\np2\naI3\naL4L\na."
    assert plain_pickle(second) == ["001.A/a", "caf\xe9", 3]
    assert plain_pickle(first) == ["001.A/a", "caf\xe9", 3, 4]
    assert plain_pickle(b"\x80\x02U\x02\xc3\xa9.") == "\xe9"
    assert plain_pickle(b"\x80\x02T\x02\x00\x00\x00a\xff.") == "a\ufffd"


def test_shared_and_circular_lists_come_back_so() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    found = plain_pickle(pickle.dumps(circle, 2))
    assert found[1] is found


def test_an_integer_without_end_and_a_far_place_in_memory_cost_nothing() -> None:
    with pytest.raises(InvalidInput):
        plain_pickle(b"\x8b\xff\xff\xff\x7f.")
    with pytest.raises(InvalidInput, match="integer"):
        plain_pickle(b"I" + b"9" * 10_000 + b"\n.")
    assert plain_pickle(b"]r\xff\xff\xff\xff.") == []


@pytest.mark.parametrize(
    "payload", [b"(.", b"](a.", b"((2t.", b"(q\x00.", b"]}(s.", b"}" + b")" + b"\x85" * 100_000 + b"Ns."]
)
def test_nothing_but_data_comes_out(payload: bytes) -> None:
    with pytest.raises(InvalidInput):
        plain_pickle(payload)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none.pickle"):
        read_plain_pickle(tmp_path / "none.pickle")
