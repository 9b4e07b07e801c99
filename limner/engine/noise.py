"""Unit normal noise, the same numbers that torch's CPU generator gives for a seed, without torch.

torch draws uniform numbers from a Mersenne twister (Matsumoto and Nishimura 1998) and turns them into
normal ones by Box and Muller's transform, in two ways:

- 16 values or more: single precision, in blocks of 16. The first half of a block gives the radii, the second
  half the angles; what is left over at the end is covered by drawing the last 16 values anew. torch's
  vectorised kernel takes logarithm, sine and cosine from Cephes' single-precision polynomials (Moshier),
  compiled to fused multiply-adds. The same operations in the same order give the same bits here; torch on a
  processor without AVX2 uses the C library's functions instead, which differ in the last two bits.
- fewer: double precision, in pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .request import DrawRequest

_Floats = NDArray[np.float32]

_BLOCK = 16
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
# ln 2 and pi / 4 split so that a small integer times the leading parts is exact in single precision.
_LN2 = (0.693359375, -2.12194440e-4)
_QUARTER_PI = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)


def normal(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw unit normal numbers of `shape`, float32.

    Equal to `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` on the CPU; as there, only
    `seed` modulo 2^32 counts.
    """
    twister = np.random.RandomState(seed % 2**32)
    count = math.prod(shape)
    values = _blocks(twister, count) if count >= _BLOCK else _pairs(twister, count)
    return values.reshape(shape)


def starting_noise(request: DrawRequest, shape: tuple[int, ...]) -> _Floats:
    """The noise of the seed; of a variation, turned towards that of the other seed on the sphere that both lie on.

    Spherical interpolation (Shoemake 1985): what lies between two normal vectors is as long as they are.
    """
    assert request.seed is not None
    noise = normal(request.seed, shape)
    share = request.variation_strength
    if share is None:
        return noise
    assert request.variation_seed is not None
    other = normal(request.variation_seed, shape)
    a, b = noise.astype(np.float64), other.astype(np.float64)
    cosine = float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return noise
    mixed = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    between: _Floats = mixed.astype(np.float32)
    return between


def _blocks(twister: np.random.RandomState, count: int) -> _Floats:
    whole = count - count % _BLOCK
    uniform = _uniform(twister, count)
    values = np.empty(count, np.float32)
    values[:whole] = _box_muller(uniform[:whole])
    if whole < count:
        values[-_BLOCK:] = _box_muller(_uniform(twister, _BLOCK))
    return values


def _pairs(twister: np.random.RandomState, count: int) -> _Floats:
    words = _words(twister, 4 * math.ceil(count / 2)).astype(np.uint64).reshape(-1, 2, 2)
    bits = (words[..., 0] << np.uint64(32) | words[..., 1]) & np.uint64(2**53 - 1)
    uniform = bits.astype(np.float64) * 2.0**-53  # (pairs, 2)
    angle = 2 * np.pi * uniform[:, 0]
    radius = np.sqrt(-2 * np.log1p(-uniform[:, 1]))
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].astype(np.float32)


def _words(twister: np.random.RandomState, count: int) -> NDArray[np.uint32]:
    return twister.randint(0, 2**32, size=count, dtype=np.uint32)


def _uniform(twister: np.random.RandomState, count: int) -> _Floats:
    low_bits = _words(twister, count) & np.uint32(2**24 - 1)
    return low_bits.astype(np.float32) * np.float32(2.0**-24)


def _box_muller(uniform: _Floats) -> _Floats:
    halves = uniform.reshape(-1, 2, _BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * _log(np.float32(1) - halves[:, 0]))
    sine, cosine = _sine_and_cosine(np.float32(2 * np.pi) * halves[:, 1])
    return np.stack([radius * cosine, radius * sine], axis=1).reshape(-1)


def _multiply_add(a: _Floats, b: _Floats | np.float32, c: _Floats | np.float32) -> _Floats:
    """Give a * b + c rounded once: the product of two single-precision numbers is exact in double."""
    return (a.astype(np.float64) * b + c).astype(np.float32)


def _polynomial(x: _Floats, coefficients: tuple[float, ...]) -> _Floats:
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y = _multiply_add(y, x, np.float32(coefficient))
    return y


def _log(u: _Floats) -> _Floats:
    mantissa, exponent = np.frexp(u)
    small = mantissa < np.float32(math.sqrt(0.5))
    x = np.where(small, mantissa - np.float32(1) + mantissa, mantissa - np.float32(1))
    e = (exponent - small).astype(np.float32)
    z = x * x
    y = _multiply_add(_polynomial(x, _LOG) * x, z, e * np.float32(_LN2[1]))
    y = _multiply_add(z, np.float32(-0.5), y)
    return _multiply_add(e, np.float32(_LN2[0]), x + y)


def _sine_and_cosine(angle: _Floats) -> tuple[_Floats, _Floats]:
    """Give sine and cosine of angles from 0 to 2 pi."""
    octant = (angle * np.float32(4 / np.pi)).astype(np.int32)
    octant += octant & 1
    x = angle
    for part in _QUARTER_PI:
        x = _multiply_add(octant.astype(np.float32), np.float32(-part), x)
    z = x * x
    cosine = _multiply_add(_polynomial(z, _COS) * z, z, z * np.float32(-0.5)) + np.float32(1)
    sine = _multiply_add(_polynomial(z, _SIN) * z, x, x)
    quarter = octant // 2 % 4
    odd = quarter % 2 == 1
    return (
        np.where(odd, cosine, sine) * np.where(quarter >= 2, np.float32(-1), np.float32(1)),
        np.where(odd, sine, cosine)
        * np.where((quarter == 1) | (quarter == 2), np.float32(-1), np.float32(1)),
    )
