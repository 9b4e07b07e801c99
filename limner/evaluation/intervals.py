"""Confidence intervals of shares."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054
"""The standard normal quantile of a two-sided 95 % interval."""


def wilson(accepted: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a share, 0..1 (Wilson 1927, JASA 22:209, equation 4); (0, 1) of nothing at all.

    ValueError unless 0 <= accepted <= total.
    """
    if not 0 <= accepted <= total:
        raise ValueError(f"{accepted} of {total} is not a share")
    if total == 0:
        return 0.0, 1.0
    share, weight = accepted / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    half = sqrt(share * (1 - share) * weight + weight * weight / 4) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
