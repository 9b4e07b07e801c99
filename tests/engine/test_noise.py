import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.engine.noise import normal


def units_apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> int:
    """Largest distance in units of the last place."""
    assert ours.dtype == np.float32 and ours.shape == theirs.shape
    steps = np.abs(ours.view(np.int32).astype(np.int64) - theirs.view(np.int32))
    return int(steps.max(initial=0))


def torch_normal(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()


vectorised = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


@settings(max_examples=150, deadline=None)
@given(
    seed=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, 2**40 + 3])),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
)
def test_normal_is_torchs_normal(seed: int, shape: tuple[int, ...]) -> None:
    ours, theirs = normal(seed, shape), torch_normal(seed, shape)
    assert units_apart(ours, theirs) <= (1 if vectorised else 4)


@pytest.mark.parametrize("shape", [(), (1,), (15,), (16,), (17,), (31,), (32,), (1, 4, 64, 64), (0, 3)])
def test_normal_at_the_edges_of_the_two_ways(shape: tuple[int, ...]) -> None:
    assert units_apart(normal(7, shape), torch_normal(7, shape)) <= (1 if vectorised else 4)


@pytest.mark.skipif(not vectorised, reason="torch uses the C library's logarithm here")
def test_a_million_values_are_equal_to_the_bit() -> None:
    assert np.array_equal(normal(20, (2**20 + 5,)), torch_normal(20, (2**20 + 5,)))


def test_the_uniform_zero_gives_a_zero_radius() -> None:
    # log(1 - 0) = 0: the value is zero whatever the angle.
    from limner.engine import noise

    assert not noise._box_muller(np.zeros(16, np.float32)).any()
