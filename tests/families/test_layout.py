"""The channels that say what stands where: their values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.errors import InvalidInput
from limner.families import layout
from limner.registry.manifest import Layout

_NONE = [np.nan] * 12
_NAMES = ("subject", "cat", "dog", "hat")


def _at(
    *box: float, kind: int = 1, drawing: int = 0, pose: float = 0.0, facing: float = 1.0,
    colour: tuple[float, float, float] = (0.5, 0.5, 0.5), part: bool = False,
) -> list[float]:  # fmt: skip
    return [*box, float(kind), float(drawing), pose, facing, *colour, float(part)]


def _one(placings: list[list[float]], drawings: int = 4) -> NDArray[np.float32]:
    cells = np.zeros((1, 8, 8), np.float16)
    cells[0, 2:4, 2:6] = 0.5
    made: NDArray[np.float32] = layout.layout(
        np.array([placings], np.float32), cells, layout.kind_codes(3), drawings
    )[0]
    assert made.shape == (layout.CHANNELS, 8, 8)
    return made


def test_a_subject_gives_coordinates_over_its_frame() -> None:
    share, x, y = _one([_at(0.25, 0.25, 0.75, 0.5), _NONE])[:3]
    assert share[2, 2] == 0 and share[0, 0] == -1
    assert x[2, 2:6].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert y[2:4, 2].tolist() == pytest.approx([-0.5, 0.5])
    assert x[2, 1] == pytest.approx(-1.25)  # just outside, within reach
    assert not x[2, 0] and not y[5, 3] and not x[7].any()


def test_a_mirrored_subject_counts_from_its_other_side() -> None:
    x = _one([_at(0.25, 0.25, 0.75, 0.5, facing=-1.0)])[1]
    assert x[2, 2:6].tolist() == pytest.approx([0.75, 0.25, -0.25, -0.75])


def test_the_nearest_of_two_subjects_counts() -> None:
    made = _one([_at(0.0, 0.0, 0.5, 1.0, kind=2), _at(0.5, 0.0, 1.0, 1.0, kind=4, pose=-0.5)])
    assert made[1, 4].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75] * 2)
    codes = layout.kind_codes(3)
    assert made[3:8, 4, 1] == pytest.approx(codes[1]) and made[3:8, 4, 6] == pytest.approx(codes[3])
    assert made[10, 4].tolist() == [0] * 4 + [-0.5] * 4


def test_a_part_counts_within_its_own_frame_though_its_subject_is_nearer() -> None:
    """The middle of the subject is at the corner of its part."""
    whole, part = _at(0.0, 0.0, 1.0, 1.0, kind=2), _at(0.5, 0.5, 0.75, 1.0, kind=3, part=True)
    codes = layout.kind_codes(3)
    for made in (_one([whole, part]), _one([part, whole])):
        assert made[3:8, 5, 4] == pytest.approx(codes[2]) and made[1, 5, 4] == pytest.approx(-0.5)
        assert made[2, 4:, 4].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
        assert made[3:8, 2, 4] == pytest.approx(codes[1]) and made[1, 2, 4] == pytest.approx(0.125)
        assert made[3:8, 5, 7] == pytest.approx(codes[1])


def test_kinds_that_come_later_leave_the_codes_of_the_others_as_they_are() -> None:
    known = Layout(mean=(0.0,), std=(1.0,), names=_NAMES)
    wider = layout.with_kinds(known, ("subject", "owl", "dog", "ant"))
    assert wider.names == (*_NAMES, "ant", "owl") and wider.further == (2,)
    third = layout.with_kinds(wider, ("bee",))
    codes = layout.codes_of(third)
    assert np.array_equal(codes[:4], layout.codes_of(known)) and np.array_equal(
        codes[:6], layout.codes_of(wider)
    )
    apart = np.linalg.norm(codes[1:, None] - codes[None, 1:], axis=2) + 9 * np.eye(6)
    assert apart.min() > 0.7 and np.linalg.norm(codes[1:], axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert layout.with_kinds(known, ("dog",)) is known


def test_the_drawings_of_a_kind_lie_on_a_circle() -> None:
    turns = [_one([_at(0, 0, 1, 1, kind=2, drawing=k)])[8:10, 4, 4] for k in range(4)]
    assert np.stack(turns) == pytest.approx(np.array([[1, 0], [0, 1], [-1, 0], [0, -1]]), abs=1e-6)


def test_each_subject_has_its_colour_up_to_its_reach() -> None:
    made = _one([_at(0, 0, 0.25, 1, kind=2, colour=(1, 0, 0)), _at(0.75, 0, 1, 1, colour=(0, 0.25, 1))])
    assert made[11:, 4].T.tolist() == [[1, -1, -1]] * 2 + [[0, 0, 0]] * 4 + [[-1, -0.5, 1]] * 2


def test_what_has_no_name_and_what_is_never_drawn_otherwise_says_nothing_of_it() -> None:
    nameless = _one([_at(0, 0, 1, 1, kind=1, drawing=2)])
    assert not nameless[layout.CODES].any() and nameless[1].any()
    assert not _one([_at(0, 0, 1, 1, kind=2)], drawings=1)[8:10].any()


def test_a_picture_without_subjects_says_nothing() -> None:
    assert not _one([_NONE, _NONE])[1:].any()


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_codes_of_kinds_are_far_apart_and_the_same_every_time(count: int) -> None:
    codes = layout.kind_codes(count)
    assert codes.shape == (count + 1, 5) and not codes[0].any()
    assert np.linalg.norm(codes[1:], axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    apart = np.linalg.norm(codes[1:, None] - codes[None, 1:], axis=2) + 9 * np.eye(count)
    assert count < 2 or apart.min() > 0.7
    assert np.array_equal(codes, layout.kind_codes(count))


def test_standardised_by_the_first() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(3, 2, (50, 3, 8, 8)).astype(np.float32), np.full((1, 3, 8, 8), 3, np.float32)
    scale = layout.scale_of(first, _NAMES, 4)
    assert (scale.names, scale.drawings) == (_NAMES, 4)
    found = [layout.standardised(each, scale) for each in (first, second)]
    assert abs(float(found[0].astype(np.float64).std()) - 1) < 1e-2 and abs(float(found[1].mean())) < 0.05


def test_a_set_without_masks_is_refused() -> None:
    layout.check_placings(np.array([[_NONE, _at(0, 0, 1, 1)]], np.float32))
    with pytest.raises(InvalidInput, match="masks"):
        layout.check_placings(np.array([[_NONE, _NONE]], np.float32))


def test_a_model_that_has_the_first_channels_alone_gets_those() -> None:
    made = np.stack([_one([_at(0, 0, 1, 1, kind=2)])])
    scale = Layout(mean=(0.5, 0.0, 0.0), std=(2.0, 1.0, 1.0))
    found = layout.standardised(made, scale)
    assert found.shape == (1, 3, 8, 8)
    assert found[0, 0].astype(np.float32) == pytest.approx((made[0, 0] - 0.5) / 2, abs=1e-3)


def test_a_layout_that_is_known_tells_of_the_same_kinds_and_of_no_more_drawings() -> None:
    known = Layout(mean=(0.0,) * layout.CHANNELS, std=(1.0,) * layout.CHANNELS, names=_NAMES, drawings=3)
    assert layout.tells(known, _NAMES, 3) and layout.tells(known, _NAMES, 1)
    assert not layout.tells(known, _NAMES, 4) and not layout.tells(known, (*_NAMES, "fish"), 3)
    assert not layout.tells(known.model_copy(update={"mean": (0.0,) * 3}), _NAMES, 3)
