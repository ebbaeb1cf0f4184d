"""Every result of `random_shift_and_flip` is a crop of the padded image."""

import numpy as np
import pytest

from ones_keras.data.random_shift_and_flip import random_shift_and_flip


@pytest.mark.parametrize("max_shift", [0, 1, 2])
def test_results_are_exactly_the_possible_ones(rng, max_shift):
    image = rng.uniform(1, 255, size=(5, 6, 2)).astype("float32")
    margin = (max_shift, max_shift)
    padded = np.pad(image, (margin, margin, (0, 0)))
    shifts = range(2 * max_shift + 1)
    possible = {
        (padded[i : i + 5, j : j + 6])[:, ::flip].tobytes()
        for i in shifts
        for j in shifts
        for flip in (1, -1)
    }
    batch = np.repeat(image[None], 1000, axis=0)
    result = random_shift_and_flip(batch, [5, 6], max_shift).numpy()
    # 1000 draws among 50 outcomes miss none, and there is nothing else.
    assert {out.tobytes() for out in result} == possible


def test_function_of_the_seed(rng):
    images = rng.uniform(0, 255, size=(8, 6, 6, 1)).astype("float32")
    first, again, other = (
        random_shift_and_flip(images, seed, 2).numpy()
        for seed in ([1, 2], [1, 2], [2, 2])
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
