"""What a set tells of the subjects of its pictures: of what kinds they are, and how each stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..registry.placing import PLACING
from .captioned import Item
from .metadata import Box
from .pictures import cut_mask, middle, read_mask

_UNNAMED = "subject"
MOST = 8
"""Subjects and parts of a picture that count."""


def subject_names(items: Sequence[Item]) -> tuple[str, ...]:
    """The kinds of subject in a set: "subject", and those that it names, `subject` in its attribute "subjects" and in
    the "parts" of these.

    More than 254 names are too many to tell apart: then there is the one kind.
    """
    told = (
        each for item in items for subject in told_of(item.attributes) for each in (subject, *_parts(subject))
    )
    found = sorted({_name(each) for each in told} - {_UNNAMED})
    return (_UNNAMED, *found) if len(found) < 255 else (_UNNAMED,)


def drawn_subjects(item: Item) -> list[str]:
    """The names of the subjects of a picture, in the order of its mask's values; "subject" where one has none."""
    return [_name(each) for each in told_of(item.attributes)]


def _name(told: Mapping[str, Any]) -> str:
    name = told.get("subject")
    return name if isinstance(name, str) and name else _UNNAMED


def told_of(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a set tells of each subject of a picture with these attributes, in the order of its mask's values."""
    told = attributes.get("subjects")
    return [each if isinstance(each, dict) else {} for each in told] if isinstance(told, list) else []


def _parts(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is told of the parts of a subject, of those whose frame is told."""
    parts = told.get("parts")
    parts = parts if isinstance(parts, list) else []
    return [each for each in parts if isinstance(each, dict) and _frame(each) is not None]


def _frame(told: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """The frame that is told of a subject, where it is one: left, top, right, bottom as shares of the picture."""
    frame = told.get("frame")
    if not isinstance(frame, list | tuple) or len(frame) != 4 or not all(_finite(each) for each in frame):
        return None
    left, top, right, bottom = (float(each) for each in frame)
    return (left, top, right, bottom) if right > left and bottom > top else None


def placing(told: Mapping[str, Any], kind: int, visible: tuple[float, ...]) -> tuple[float, ...]:
    """How a subject stands in its picture, by the names in `PLACING` before its colour.

    First the square or box that it was drawn in, as shares of the picture: what `told` says under "frame", else
    `visible`, the box that is seen of it. Then its kind; which of several drawings of that kind it is, from 0
    ("drawing"); its pose, -1 to 1 ("pose"); 1, or -1 where it is "mirrored". What is not told is 0, and not mirrored.
    """
    drawing, pose = (told.get(name) for name in ("drawing", "pose"))
    return (
        *(_frame(told) or visible),
        float(kind),
        float(min(max(int(drawing), 0), 254)) if _finite(drawing) else 0.0,
        min(max(float(pose), -1.0), 1.0) if _finite(pose) else 0.0,
        -1.0 if told.get("mirrored") is True else 1.0,
    )


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def shown_subjects(
    item: Item, names: tuple[str, ...], picture: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Which kind of subject each pixel of `picture` (H, W, 3) shows, (H, W), and how subjects stand, (8, 12), by
    the names in `PLACING`.

    Without any `names` what a set tells of its subjects does not count: each fills the box that is seen of it.
    """
    height, width, _ = picture.shape
    if item.mask is None:
        return subjects_in(np.zeros((height, width), np.uint8), picture, (), (), names)
    whole = read_mask(item.mask)
    # a frame is told of the whole picture, and of a picture that is cut to a box nobody knows where it lies
    told = told_of(item.attributes) if names and item.box is None else []
    part = middle(whole.size, width, height)
    told = [_cut(each, part, whole.size) for each in told]
    return subjects_in(cut_mask(whole, width, height), picture, drawn_subjects(item), told, names)


def _cut(told: Mapping[str, Any], part: Box, whole: tuple[int, int]) -> dict[str, Any]:
    """What is told of a subject of a whole picture of this size, as it is of a part of that."""
    found, frame = dict(told), _frame(told)
    if frame is not None:
        ends = [share * whole[k % 2] - part[k % 2] for k, share in enumerate(frame)]
        found["frame"] = [end / (part[2 + k % 2] - part[k % 2]) for k, end in enumerate(ends)]
    if isinstance(told.get("parts"), list):
        found["parts"] = [_cut(each, part, whole) for each in told["parts"] if isinstance(each, dict)]
    return found


def subjects_in(
    mask: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    drawn: Sequence[str],
    told: Sequence[Mapping[str, Any]],
    names: tuple[str, ...],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """As `shown_subjects`, of a mask (H, W): its value k shows what `drawn[k - 1]` names and `told[k - 1]` tells of."""
    height, width = mask.shape
    kinds = np.ones(256, np.uint8)
    kinds[0] = 0
    for k, name in enumerate(drawn[:255], 1):
        kinds[k] = _number(name, names)
    subjects, parts = [], []
    areas = np.bincount(mask.ravel(), minlength=256)
    # Edges that were smoothed have values of their own.
    largest = np.argsort(-areas[1:], kind="stable")[:MOST] + 1
    for value in np.sort(largest[areas[largest] > 0]):
        inside = mask == value
        ys, xs = np.nonzero(inside)
        left, top, right, bottom = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        visible = (left / width, top / height, right / width, bottom / height)
        said = told[value - 1] if value <= len(told) else {}
        subjects.append((*placing(said, int(kinds[value]), visible), *_colour(picture, inside), 0.0))
        for part in _parts(said):
            frame = _frame(part)
            assert frame is not None
            within = inside & _within(frame, height, width)
            if within.any():
                row = placing(part, _number(_name(part), names), frame)
                parts.append((*row, *_colour(picture, within), 1.0))
    found = [*subjects, *parts][:MOST]
    placings = np.full((MOST, len(PLACING)), np.nan, np.float32)
    placings[: len(found)] = np.reshape(found, (-1, len(PLACING)))
    return kinds[mask], placings


def mask_fault(mask: Image.Image, told: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with the values of a mask of a picture of whose subjects this is told; None where they may be."""
    values = np.unique(np.asarray(mask))
    if told and values[-1] > len(told):
        return f"has the value {values[-1]}, and {len(told)} subjects are told of: value k shows the k-th, 0 background"
    if not told and len(values) > 1 + MOST:
        return f"has {len(values)} values, as a smoothed or JPEG mask does; 0 is background, and each other a subject"
    return None


def _number(name: str, names: tuple[str, ...]) -> int:
    """The kind that has this name, from 1 on; that of what has none, where it is not known."""
    return names.index(name) + 1 if name in names else 1


def _colour(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The median colour (3,) of some of a picture's pixels, 0 to 1."""
    colour: NDArray[np.float64] = np.median(picture[inside], axis=0) / 255
    return colour


def _within(frame: tuple[float, ...], height: int, width: int) -> NDArray[np.bool_]:
    """The pixels (H, W) whose middle is in a frame."""
    left, top, right, bottom = frame
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    return ((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))


def cell_shares(shown: NDArray[np.uint8], factor: int) -> NDArray[np.float16]:
    """Of each cell of factor x factor pixels the share that shows a subject; `shown` (H, W) as above."""
    height, width = shown.shape
    cells = (shown > 0).reshape(height // factor, factor, width // factor, factor)
    shares: NDArray[np.float16] = cells.mean((1, 3), dtype=np.float32).astype(np.float16)
    return shares
