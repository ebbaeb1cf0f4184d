"""Truncated reconstructions against a full singular value decomposition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.gathering.truncate import truncate


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    rank=st.integers(1, 12),
    ratio=st.floats(0.01, 0.999),
    seed=st.integers(0, 10**6),
)
def test_it_is_the_truncated_svd(rows, columns, rank, ratio, seed):
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    kernel = kernel.astype("float32")
    found, kept, share = truncate(kernel, ratio)
    left, values, right = np.linalg.svd(
        kernel.astype("float64"), full_matrices=False
    )
    held = np.cumsum(values) / values.sum()
    # Where a rounding decides, either rank is right.
    assert held[kept - 1] >= ratio - 1e-6
    assert kept == 1 or held[kept - 2] < ratio + 1e-6
    np.testing.assert_allclose(share, held[kept - 1], atol=1e-6)
    expected = (left[:, :kept] * values[:kept]) @ right[:kept]
    np.testing.assert_allclose(found, expected, atol=1e-6 * values[0])


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_everything_and_nothing(shape):
    kernel = np.random.default_rng(0).normal(size=shape)
    found, kept, share = truncate(kernel, 1.0)
    assert (kept, share) == (3, 1.0)
    np.testing.assert_array_equal(found, kernel)
    found, _, _ = truncate(np.zeros(shape), 0.5)
    np.testing.assert_array_equal(found, np.zeros(shape))


def test_the_kernel_is_left_as_it_is():
    kernel = np.random.default_rng(0).normal(size=(4, 6))
    before = kernel.copy()
    truncate(kernel, 0.9)
    np.testing.assert_array_equal(kernel, before)
