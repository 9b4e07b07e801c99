"""What a picture is to show, in tokens: the tones of its background, its subjects and where each stands, before the
first token of the picture.

A plan begins with the mean tones of the background, band under band, which say where and at what time a picture is.
Then it has a place for each of up to `most` subjects, from the left: what it is, which drawing of it, its pose, the
four sides of its frame and its colour, each a token of its own kind; what is left over is empty. Written out so, a
picture is a text of objects (Chen et al. 2022, "Pix2Seq"). What a plan says of a square of the picture is then told to
the transformer at that square, and to the decoder of tokens, as the layout channels of latents are.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...registry.placing import PLACING
from .. import layout
from .shape import Subjects

BANDS = 4
"""Bands of the background, from the top, whose tones a plan says."""

TOLD = layout.CHANNELS - 1 + 3
"""Numbers that a plan tells of a square: the layout channels but the first, for nobody knows yet what is covered, and
the tone of the band."""

_FIELDS = ("kind", "drawing", "pose", "left", "top", "right", "bottom", "red", "green", "blue")
_POSES, _TONES, _EDGES = 9, 16, 48
_SPAN = -0.25, 1.25  # of the sides of frames, as shares of the picture
_SURE = 0.3  # of the temperature, at which subjects are planned: one wrong token is a wrong subject
_AT_ONCE = 512


def background_tones(pictures: NDArray[np.uint8], subjects: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean tones (N, BANDS, 3), 0 to 1, of what lies behind the subjects in bands of pictures (N, S, S, 3).

    `subjects` (N, S, S) is 0 where none is; where one fills a band, that is taken with it.
    """
    made = np.zeros((len(pictures), BANDS, 3), np.float32)
    edges = np.arange(BANDS + 1) * pictures.shape[1] // BANDS
    for first in range(0, len(pictures), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        for band, (top, bottom) in enumerate(pairwise(edges)):
            bare = subjects[part, top:bottom] == 0
            bare |= ~bare.any((1, 2), keepdims=True)
            sums = (pictures[part, top:bottom] * bare[..., None]).sum((1, 2), dtype=np.int64)
            made[part, band] = sums / (255 * bare.sum((1, 2))[:, None])
    return made


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
        self._tone, self._toned = starts["red"], 3 * BANDS

    @property
    def length(self) -> int:
        """Tokens of a plan."""
        return self._toned + self.subjects.most * len(_FIELDS)

    def warmth(self, place: int) -> float:
        """The share of the temperature at which the token at a place of a plan is drawn, or one after it."""
        return _SURE if self._toned <= place < self.length else 1.0

    @property
    def allowed(self) -> NDArray[np.int64]:
        """The first token that may stand at each place, and the one after the last: (length, 2)."""
        each = np.stack([self._starts, self._starts + self._sizes], 1)
        tones = [[self._tone, self._tone + _TONES]] * self._toned
        made: NDArray[np.int64] = np.concatenate([tones, np.tile(each, (self.subjects.most, 1))]).astype(
            np.int64
        )
        return made

    @cached_property
    def _codes(self) -> NDArray[np.float32]:
        return layout.kind_codes(len(self.subjects.names) - 1)

    def tokens(self, placings: NDArray[np.float32], tones: NDArray[np.float32]) -> NDArray[np.int64]:
        """The plans (N, length) of pictures whose subjects stand so, (N, K, 12), with kinds by the names of `subjects`,
        before tones (N, BANDS, 3), 0 to 1; parts are left out, and subjects past the last place."""
        found = np.tile(self._starts, (len(placings), self.subjects.most, 1))
        for row, stand in enumerate(placings):
            whole = stand[~np.isnan(stand[:, 0]) & (stand[:, PLACING.index("part")] != 1)]
            levels = self._levels(whole)
            left, top = levels[:, _FIELDS.index("left")], levels[:, _FIELDS.index("top")]
            levels = levels[np.lexsort((top, left))][: self.subjects.most]
            found[row, : len(levels)] += levels
        behind = (tones * (_TONES - 1)).round().astype(np.int64) + self._tone
        return np.concatenate([behind.reshape(len(tones), -1), found.reshape(len(placings), -1)], 1)

    def counted(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which tokens of plans (N, length) say something: tones, what a subject is, and the others where there is
        one."""
        levels = self._subjects(tokens)
        found = np.repeat(levels[:, :, :1] > 0, levels.shape[2], axis=2)
        found[:, :, 0] = True
        made = np.ones(tokens.shape, bool)
        made[:, self._toned :] = found.reshape(len(tokens), -1)
        return made

    def _subjects(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which token of its kind each field of the subjects of plans (N, length) is: (N, most, 10)."""
        made: NDArray[np.int64] = (
            tokens[:, self._toned :].reshape(len(tokens), self.subjects.most, -1) - self._starts
        )
        return made

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
        levels = self._subjects(tokens)
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

    def tones(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """The tones (N, BANDS, 3), 0 to 1, by plans (N, length)."""
        levels = (tokens[:, : self._toned] - self._tone).astype(np.float32)
        return (levels / np.float32(_TONES - 1)).reshape(len(tokens), BANDS, 3)

    def told(self, tokens: NDArray[np.int64], side: int) -> NDArray[np.float32]:
        """What plans (N, length) tell of each square of side x side, row by row: (N, side * side, TOLD)."""
        nothing = np.zeros((len(tokens), side, side), np.float16)
        channels = layout.layout(self.placings(tokens), nothing, self._codes, self.subjects.drawings)[:, 1:]
        bands = np.arange(side) * BANDS // side
        behind = np.repeat(2 * self.tones(tokens)[:, bands] - 1, side, axis=1)  # (N, side * side, 3)
        each = np.moveaxis(channels.reshape(len(tokens), TOLD - 3, -1), 1, 2)
        return np.concatenate([each, behind], 2)
