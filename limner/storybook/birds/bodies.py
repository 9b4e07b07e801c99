"""The bodies of birds: one smooth outline each, facing right, and where wing, tail, legs, eye and bill go on it.

Every outline has the same fifteen knots, from the root of the bill over crown and back to the tail and along belly,
breast and throat to the bill again, so that the parts of all bodies are cut from it in the same way (`parts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..shapes import Pair

(
    BILL_TOP,
    FOREHEAD,
    CROWN,
    HINDCROWN,
    NAPE,
    MANTLE,
    BACK,
    RUMP,
    VENT,
    REAR,
    FRONT,
    LOW,
    BREAST,
    THROAT,
    CHIN,
) = range(15)
"""The knots of an outline by name: BACK to RUMP is where the tail is rooted, REAR to LOW is the belly."""


@dataclass(frozen=True)
class Body:
    """A body in the unit box, its `feet` on the lower edge.

    `wing` is its outline from the shoulder along the upper edge to the tip and back; `tail` has the middle of its
    root, that of its end, and half the width there; `head` is the pivot of the head; `eye` its middle and radius;
    `crown`, `back`, `belly`, `breast` and `throat` are the knots of the inner edges of these parts.
    """

    outline: tuple[Pair, ...]
    wing: tuple[Pair, ...]
    tail: tuple[Pair, Pair, float]
    hips: tuple[Pair, Pair]
    feet: tuple[Pair, Pair]
    head: Pair
    eye: tuple[float, float, float]
    crown: tuple[Pair, ...]
    back: tuple[Pair, ...]
    belly: tuple[Pair, ...]
    breast: tuple[Pair, ...]
    throat: tuple[Pair, ...]


_PLUMP = Body(
    outline=((0.80, 0.335), (0.765, 0.215), (0.645, 0.150), (0.520, 0.190), (0.445, 0.300), (0.350, 0.385),
             (0.255, 0.490), (0.195, 0.615), (0.255, 0.740), (0.390, 0.845), (0.565, 0.850), (0.715, 0.755),
             (0.790, 0.610), (0.780, 0.490), (0.795, 0.415)),
    wing=((0.520, 0.455), (0.410, 0.465), (0.300, 0.555), (0.205, 0.655), (0.110, 0.775), (0.250, 0.765),
          (0.400, 0.735), (0.510, 0.650), (0.555, 0.540)),
    tail=((0.235, 0.655), (0.040, 0.880), 0.062),
    hips=((0.470, 0.820), (0.560, 0.820)), feet=((0.475, 1.0), (0.590, 1.0)),
    head=(0.63, 0.36), eye=(0.680, 0.310, 0.047),
    crown=((0.555, 0.285), (0.640, 0.235), (0.730, 0.240)),
    back=((0.500, 0.390), (0.475, 0.500), (0.320, 0.640)),
    belly=((0.330, 0.720), (0.480, 0.690), (0.620, 0.690)),
    breast=((0.480, 0.740), (0.530, 0.560), (0.610, 0.460)),
    throat=((0.640, 0.480), (0.660, 0.405)),
)  # fmt: skip

_SLENDER = Body(
    outline=((0.865, 0.330), (0.835, 0.225), (0.740, 0.175), (0.640, 0.215), (0.580, 0.305), (0.490, 0.385),
             (0.370, 0.450), (0.255, 0.535), (0.265, 0.635), (0.390, 0.745), (0.540, 0.765), (0.690, 0.705),
             (0.795, 0.595), (0.830, 0.485), (0.860, 0.405)),
    wing=((0.640, 0.460), (0.535, 0.460), (0.410, 0.515), (0.280, 0.585), (0.150, 0.670), (0.290, 0.675),
          (0.460, 0.675), (0.600, 0.620), (0.665, 0.545)),
    tail=((0.285, 0.590), (-0.020, 0.760), 0.052),
    hips=((0.480, 0.735), (0.570, 0.735)), feet=((0.500, 1.0), (0.610, 1.0)),
    head=(0.74, 0.36), eye=(0.770, 0.308, 0.044),
    crown=((0.665, 0.290), (0.735, 0.243), (0.812, 0.248)),
    back=((0.640, 0.395), (0.590, 0.500), (0.360, 0.590)),
    belly=((0.350, 0.645), (0.480, 0.640), (0.620, 0.635)),
    breast=((0.550, 0.680), (0.610, 0.540), (0.680, 0.455)),
    throat=((0.715, 0.470), (0.735, 0.400)),
)  # fmt: skip

_UPRIGHT = Body(
    outline=((0.745, 0.250), (0.710, 0.140), (0.590, 0.080), (0.475, 0.125), (0.410, 0.240), (0.355, 0.355),
             (0.305, 0.490), (0.285, 0.640), (0.325, 0.770), (0.430, 0.845), (0.560, 0.830), (0.670, 0.725),
             (0.730, 0.560), (0.730, 0.410), (0.740, 0.330)),
    wing=((0.500, 0.400), (0.410, 0.420), (0.345, 0.530), (0.295, 0.670), (0.255, 0.860), (0.350, 0.800),
          (0.450, 0.710), (0.525, 0.590), (0.545, 0.470)),
    tail=((0.340, 0.760), (0.215, 1.050), 0.060),
    hips=((0.500, 0.815), (0.585, 0.805)), feet=((0.505, 1.0), (0.610, 1.0)),
    head=(0.58, 0.29), eye=(0.628, 0.232, 0.046),
    crown=((0.500, 0.212), (0.590, 0.162), (0.675, 0.165)),
    back=((0.490, 0.330), (0.490, 0.460), (0.420, 0.640)),
    belly=((0.400, 0.720), (0.500, 0.660), (0.600, 0.640)),
    breast=((0.480, 0.700), (0.510, 0.490), (0.580, 0.375)),
    throat=((0.590, 0.400), (0.610, 0.325)),
)  # fmt: skip

_LONGLEGGED = Body(
    outline=((0.805, 0.215), (0.775, 0.110), (0.675, 0.060), (0.575, 0.100), (0.530, 0.210), (0.475, 0.325),
             (0.355, 0.385), (0.225, 0.450), (0.220, 0.545), (0.345, 0.655), (0.500, 0.685), (0.645, 0.620),
             (0.740, 0.495), (0.765, 0.370), (0.797, 0.290)),
    wing=((0.575, 0.400), (0.470, 0.405), (0.350, 0.460), (0.230, 0.515), (0.115, 0.580), (0.260, 0.605),
          (0.420, 0.615), (0.555, 0.560), (0.612, 0.480)),
    tail=((0.245, 0.495), (0.050, 0.590), 0.052),
    hips=((0.440, 0.655), (0.530, 0.655)), feet=((0.440, 1.0), (0.560, 1.0)),
    head=(0.67, 0.26), eye=(0.710, 0.195, 0.043),
    crown=((0.607, 0.178), (0.675, 0.131), (0.747, 0.135)),
    back=((0.585, 0.320), (0.540, 0.440), (0.320, 0.520)),
    belly=((0.310, 0.580), (0.440, 0.570), (0.570, 0.560)),
    breast=((0.490, 0.610), (0.550, 0.440), (0.620, 0.350)),
    throat=((0.640, 0.360), (0.665, 0.285)),
)  # fmt: skip

_BODIES = {"plump": _PLUMP, "slender": _SLENDER, "upright": _UPRIGHT, "longlegged": _LONGLEGGED}
_NOD, _WAG = 7.0, 7.0  # degrees, of head and tail, for one step of posture


def _turned(point: Pair, pivot: Pair, degrees: float) -> Pair:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = point[0] - pivot[0], point[1] - pivot[1]
    return pivot[0] + c * x - s * y, pivot[1] + s * x + c * y


def body_of(name: str, posture: float = 0.0) -> Body:
    """The body called `name`; `posture`, -1 to 1, lowers its head and lifts its tail by some degrees."""
    body = _BODIES[name]
    nod = _NOD * posture
    share = {BILL_TOP: 1.0, FOREHEAD: 1.0, CROWN: 1.0, HINDCROWN: 1.0, NAPE: 0.5, CHIN: 1.0, THROAT: 0.4}

    def nodded(points: Sequence[Pair], shares: Sequence[float]) -> tuple[Pair, ...]:
        return tuple(_turned(p, body.head, nod * s) for p, s in zip(points, shares, strict=True))

    root, end, half = body.tail
    return replace(
        body,
        outline=nodded(body.outline, [share.get(k, 0.0) for k in range(len(body.outline))]),
        crown=nodded(body.crown, (1.0,) * len(body.crown)),
        throat=nodded(body.throat, (0.5, 1.0)),
        eye=(*_turned(body.eye[:2], body.head, nod), body.eye[2]),
        tail=(root, _turned(end, root, _WAG * posture), half),
    )
