"""What every drawing of every subject keeps to, whoever drew it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from limner.storybook.palette import PAINTS
from limner.storybook.shapes import Shape, ellipse, grounded, inset, leaned, rect
from limner.storybook.subjects import SUBJECTS, Drawing

POSES = (-1.0, -0.4, 0.0, 0.7, 1.0)
TONES = ("main", "shade", "light")
SLACK = 0.06
PARTLY_COLOURED = {"person", "torch", "flower", "tree", "astronaut"}

CASES = [
    pytest.param(name, drawing, id=f"{name}-{drawing.__name__}")
    for name, subject in SUBJECTS.items()
    for drawing in subject.drawings
]


def _raster(shapes: list[Shape], size: int = 128) -> NDArray[np.uint8]:
    """(size, size) indices into TONES plus one; 0 where nothing is drawn, 9 where a fixed paint lies."""
    image = Image.new("L", (size, size))
    draw = ImageDraw.Draw(image)
    scale, margin = size / 1.2, size * 0.1 / 1.2
    for shape in shapes:
        ink = TONES.index(shape.paint) + 1 if shape.paint in TONES else 9
        draw.polygon([(float(x), float(y)) for x, y in shape.points * scale + margin], fill=ink)
    return np.asarray(image)


@pytest.mark.parametrize(("name", "drawing"), CASES)
def test_points_are_finite_and_inside_the_unit_box(name: str, drawing: Drawing) -> None:
    for pose in POSES:
        for shape in drawing(pose):
            assert shape.points.dtype == np.float32
            assert shape.points.ndim == 2 and shape.points.shape[1] == 2 and len(shape.points) >= 3
            assert np.isfinite(shape.points).all()
            assert shape.points.min() >= -SLACK and shape.points.max() <= 1 + SLACK


@pytest.mark.parametrize(("name", "drawing"), CASES)
def test_paints_are_known(name: str, drawing: Drawing) -> None:
    assert {shape.paint for shape in drawing(0.0)} <= {*TONES, *PAINTS}


@pytest.mark.parametrize(("name", "drawing"), CASES)
def test_stands_on_the_ground_and_fills_the_box(name: str, drawing: Drawing) -> None:
    for pose in POSES:
        points = np.concatenate([shape.points for shape in drawing(pose)])
        size = points.max(axis=0) - points.min(axis=0)
        assert size.max() >= 0.78
        if not SUBJECTS[name].floats:
            assert points[:, 1].max() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("name", "drawing"), CASES)
def test_wears_mostly_its_own_colour(name: str, drawing: Drawing) -> None:
    for pose in POSES:
        ink = _raster(drawing(pose))
        drawn = np.count_nonzero(ink)
        coloured = np.count_nonzero((ink > 0) & (ink < 9))
        assert coloured / drawn >= (0.35 if name in PARTLY_COLOURED else 0.55)


@pytest.mark.parametrize(("name", "drawing"), CASES)
def test_poses_differ_visibly_and_repeat_exactly(name: str, drawing: Drawing) -> None:
    left, right = _raster(drawing(-1.0)), _raster(drawing(1.0))
    assert np.count_nonzero(left != right) / np.count_nonzero(left) >= 0.02
    np.testing.assert_array_equal(left, _raster(drawing(-1.0)))


@pytest.mark.parametrize("name", SUBJECTS)
def test_has_three_drawings_that_differ(name: str) -> None:
    drawings = SUBJECTS[name].drawings
    assert len(drawings) >= 3
    pictures = [_raster(drawing(0.0)) for drawing in drawings]
    for k, first in enumerate(pictures):
        for second in pictures[k + 1 :]:
            assert np.count_nonzero(first != second) / np.count_nonzero(first) >= 0.1


@pytest.mark.parametrize("name", SUBJECTS)
def test_words_match_their_plurals(name: str) -> None:
    subject = SUBJECTS[name]
    assert subject.words and len(subject.words) == len(subject.plurals)
    for phrase in (*subject.words, *subject.plurals):
        assert phrase == phrase.strip().lower() and 1 <= len(phrase.split()) <= 2


def test_no_word_is_owned_twice() -> None:
    owners: dict[str, str] = {}
    for name, subject in SUBJECTS.items():
        for phrase in {*subject.words, *subject.plurals}:
            assert owners.setdefault(phrase, name) == name, f"{phrase!r}: {owners[phrase]}, {name}"


def test_no_drawing_serves_two_subjects() -> None:
    drawings = [drawing for subject in SUBJECTS.values() for drawing in subject.drawings]
    assert len(drawings) == len(set(drawings))


@pytest.mark.parametrize("name", [name for name, subject in SUBJECTS.items() if subject.top is not None])
def test_something_is_drawn_just_below_the_top(name: str) -> None:
    top = SUBJECTS[name].top
    assert top is not None and 0 < top <= 1
    for drawing in SUBJECTS[name].drawings:
        shapes = drawing(0.0)
        high = min(float(shape.points[:, 1].min()) for shape in shapes)
        line = 1 - top * (1 - high) + 0.06
        row = _raster(shapes, 240)[round((line + 0.1) * 200)]
        assert np.count_nonzero(row) >= 0.2 * 200


def test_grounded_puts_the_lowest_point_on_the_ground() -> None:
    shapes = grounded([ellipse(0.5, 0.4, 0.2, 0.1, "main"), rect(0.1, 0.1, 0.3, 0.3, "shade")])
    assert max(shape.points[:, 1].max() for shape in shapes) == pytest.approx(1.0)
    assert shapes[1].points[:, 1].min() == pytest.approx(0.6)


def test_leaned_keeps_the_ground_and_shifts_the_top() -> None:
    (shape,) = leaned([rect(0.2, 0.0, 0.8, 1.0, "main")], 0.1)
    np.testing.assert_allclose(shape.points, [(0.3, 0), (0.9, 0), (0.8, 1), (0.2, 1)], atol=1e-6)


def test_inset_shrinks_towards_its_centre() -> None:
    small = inset(rect(0.0, 0.0, 1.0, 1.0, "shade"), "main", 0.5, 0.0, 1.0)
    assert small.paint == "main"
    np.testing.assert_allclose(small.points, [(0, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)], atol=1e-6)
