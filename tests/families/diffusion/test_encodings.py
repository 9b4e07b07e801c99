import numpy as np
from numpy.typing import NDArray

from limner.families.diffusion.encodings import EncodingCache


def ids(number: int) -> NDArray[np.int64]:
    return np.full(4, number, np.int64)


def test_the_one_unused_for_longest_goes_first() -> None:
    cache = EncodingCache(2)
    cache.put(ids(1), np.ones((4, 3), np.float32))
    cache.put(ids(2), np.ones((4, 3), np.float32))
    assert cache.get(ids(1)) is not None
    cache.put(ids(3), np.ones((4, 3), np.float32))
    assert cache.get(ids(2)) is None
    assert cache.get(ids(1)) is not None and cache.get(ids(3)) is not None


def test_what_is_kept_does_not_follow_its_source() -> None:
    cache = EncodingCache(2)
    batch = np.ones((2, 4, 3), np.float32)
    cache.put(ids(1), batch[0])
    batch[:] = 0
    kept = cache.get(ids(1))
    assert kept is not None and kept.min() == 1
