"""What a picture is to show, in tokens: its subjects and where each stands, before the first token of the picture.

A plan has a place for each of up to `most` subjects, from the left: what it is, which drawing of it, its pose, the four
sides of its frame and its colour, each a token of its own kind; what is left over is empty. Written out so, a picture
is a text of objects (Chen et al. 2022, "Pix2Seq"). What a plan says of a square of the picture is then told to the
transformer at that square, and to the decoder of tokens, as the layout channels of latents are.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...registry.placing import PLACING
from .. import layout
from .shape import Subjects

TOLD = layout.CHANNELS - 1
"""Numbers that a plan tells of a square: the layout channels but the first, for nobody knows yet what is covered."""

_FIELDS = ("kind", "drawing", "pose", "left", "top", "right", "bottom", "red", "green", "blue")
_POSES, _TONES, _EDGES = 9, 16, 48
_SPAN = -0.25, 1.25  # of the sides of frames, as shares of the picture


class Planning:
    """Plans of `subjects`, whose tokens are numbered from `first` on."""

    def __init__(self, subjects: Subjects, first: int) -> None:
        self.subjects = subjects
        sizes = {"kind": len(subjects.names) + 1, "drawing": 2 * subjects.drawings, "pose": _POSES}
        starts, at = dict[str, int](), first
        for name in _FIELDS:
            like = {"top": "left", "right": "left", "bottom": "left", "green": "red", "blue": "red"}.get(name)
            if like is not None:
                starts[name] = starts[like]
                continue
            starts[name] = at
            at += sizes.get(name, _TONES if name == "red" else _EDGES)
        self._starts = np.array([starts[name] for name in _FIELDS])
        self._sizes = np.array(
            [sizes.get(name, _TONES if name in ("red", "green", "blue") else _EDGES) for name in _FIELDS]
        )
        self.end = at

    @property
    def length(self) -> int:
        """Tokens of a plan."""
        return self.subjects.most * len(_FIELDS)

    @property
    def allowed(self) -> NDArray[np.int64]:
        """The first token that may stand at each place, and the one after the last: (length, 2)."""
        each = np.stack([self._starts, self._starts + self._sizes], 1)
        return np.tile(each, (self.subjects.most, 1)).astype(np.int64)

    @cached_property
    def _codes(self) -> NDArray[np.float32]:
        return layout.kind_codes(len(self.subjects.names) - 1)

    def tokens(self, placings: NDArray[np.float32]) -> NDArray[np.int64]:
        """The plans (N, length) of pictures whose subjects stand so, (N, K, 12), with kinds by the names of `subjects`;
        parts are left out, and subjects past the last place."""
        found = np.tile(self._starts, (len(placings), self.subjects.most, 1))
        for row, stand in enumerate(placings):
            whole = stand[~np.isnan(stand[:, 0]) & (stand[:, PLACING.index("part")] != 1)]
            levels = self._levels(whole)
            left, top = levels[:, _FIELDS.index("left")], levels[:, _FIELDS.index("top")]
            levels = levels[np.lexsort((top, left))][: self.subjects.most]
            found[row, : len(levels)] += levels
        return found.reshape(len(placings), -1)

    def counted(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which tokens of plans (N, length) say something: what a subject is, and the others where there is one."""
        levels = (tokens - np.tile(self._starts, self.subjects.most)).reshape(
            len(tokens), self.subjects.most, -1
        )
        found = np.repeat(levels[:, :, :1] > 0, levels.shape[2], axis=2)
        found[:, :, 0] = True
        return found.reshape(tokens.shape)

    def _levels(self, stand: NDArray[np.float32]) -> NDArray[np.int64]:
        """Which token of its kind each field of subjects (K, 12) is: (K, 10)."""
        told = dict(zip(PLACING, stand.T, strict=True))
        low, high = _SPAN
        edges = [
            (told[name] - low) / (high - low) * (_EDGES - 1) for name in ("left", "top", "right", "bottom")
        ]
        drawing = told["drawing"].clip(0, self.subjects.drawings - 1) * 2 + (told["facing"] < 0)
        tones = [told[name] * (_TONES - 1) for name in ("red", "green", "blue")]
        levels = [told["kind"], drawing, (told["pose"] + 1) / 2 * (_POSES - 1), *edges, *tones]
        made: NDArray[np.int64] = np.stack(levels, 1).round().astype(np.int64).clip(0, self._sizes - 1)
        return made

    def placings(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """How subjects stand by plans (N, length): (N, most, 12), NaN where none is."""
        levels = tokens.reshape(len(tokens), self.subjects.most, -1) - self._starts
        told = dict(zip(_FIELDS, np.moveaxis(levels.astype(np.float32), 2, 0), strict=True))
        low, high = _SPAN
        for name in ("left", "top", "right", "bottom"):
            told[name] = low + told[name] * (high - low) / (_EDGES - 1)
        for name in ("red", "green", "blue"):
            told[name] /= _TONES - 1
        told["facing"] = 1 - 2 * (told["drawing"] % 2)
        told["drawing"] = told["drawing"] // 2
        told["pose"] = told["pose"] * 2 / (_POSES - 1) - 1
        told["part"] = np.zeros_like(told["kind"])
        made = np.stack([told[name] for name in PLACING], -1).astype(np.float32)
        made[told["kind"] < 1] = np.nan
        return made

    def told(self, tokens: NDArray[np.int64], side: int) -> NDArray[np.float32]:
        """What plans (N, length) tell of each square of side x side, row by row: (N, side * side, TOLD)."""
        nothing = np.zeros((len(tokens), side, side), np.float16)
        channels = layout.layout(self.placings(tokens), nothing, self._codes, self.subjects.drawings)[:, 1:]
        return np.ascontiguousarray(np.moveaxis(channels.reshape(len(tokens), TOLD, -1), 1, 2))
