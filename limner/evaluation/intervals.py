"""Confidence intervals of shares and errors of means, also of outcomes that come in groups which are alike: pictures
of one prompt, statements about one picture."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""The standard normal quantile of a two-sided 95 % interval."""


def wilson(accepted: float, total: float, z: float = Z_95) -> tuple[float, float]:
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


def wilson_of_groups(held: Sequence[bool], groups: Sequence[object]) -> tuple[float, float]:
    """`wilson` at the effective number of outcomes that come in groups, each with its group.

    That is N over Kish's design effect, 1 + (m - 1) rho for groups of m (Kish 1965, Survey Sampling, section 8.2): what
    `mean_error` says of the variance over that of N independent outcomes, and no less than 1 (Korn & Graubard 1998,
    Survey Methodology 24:193). Where all or none hold nothing tells rho, and it is 1: groups are counted. Of groups of
    one it is `wilson`.
    """
    total, numbers = len(held), _numbers(groups)
    if total < 2:
        return wilson(sum(held), total)
    share, most = sum(held) / total, len(set(numbers.tolist()))
    alone = share * (1 - share) / (total - 1)
    effective = total / max(1.0, mean_error(held, groups) ** 2 / alone) if alone else most
    return wilson(share * effective, effective)


def mean_error(values: Sequence[float] | NDArray[np.floating], groups: Sequence[object]) -> float:
    """The standard error of the mean of values that come in groups, each with its group; of one value 0.

    By the sums of deviations of each group (Cochran 1977, Sampling Techniques, section 3.12); of groups of one it is
    the usual one, and where there is but one group, values count as independent.
    """
    each, numbers = np.asarray(values, np.float64), _numbers(groups)
    sums = np.bincount(numbers, each - each.mean())
    count = len(sums)
    return 0.0 if count < 2 else sqrt(count / (count - 1) * float(sums @ sums)) / len(each)


def _numbers(groups: Sequence[object]) -> NDArray[np.int64]:
    """Groups by their number; of one group alone every outcome is its own."""
    known: dict[object, int] = {}
    found = np.array([known.setdefault(group, len(known)) for group in groups], np.int64)
    return found if len(known) > 1 else np.arange(len(found))
