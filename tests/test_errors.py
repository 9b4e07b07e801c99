"""Errors keep what they say and know on the way out of a worker process."""

from __future__ import annotations

import pickle

import pytest

from limner.errors import Busy, Cancelled, InvalidInput, LimnerError, NotFound, Refused, Unavailable
from limner.pictures import PictureError


@pytest.mark.parametrize(
    "error",
    [
        LimnerError("it failed"),
        InvalidInput("steps=0 is too few", field="steps"),
        Refused("gate 'words' refuses it: no", "prompt", "words", "no"),
        NotFound("no such model"),
        Unavailable("install it"),
        Busy("try later", 2.5),
        Cancelled("stopped"),
        PictureError("cat.png is truncated", "truncated"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: LimnerError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
