"""What is held out depends on the examples, not on how they come."""

import numpy as np
import pytest
import tensorflow as tf

from ones_keras.gathering.calibration_batches import (
    CalibrationBatches,
    of_tokens,
)


def held_out(data):
    """The examples held out, as a set of their first numbers."""
    found = set()
    for x, out in CalibrationBatches(data):
        found |= {float(row.flat[0]) for row in x[out]}
    return found


@pytest.fixture
def examples(rng):
    return rng.normal(size=(500, 3)).astype("float32")


def test_a_fifth_is_held_out_in_any_order_and_batches(examples, rng):
    expected = held_out(examples)
    assert 60 < len(expected) < 140  # 100, five standard deviations of 9
    assert held_out(rng.permutation(examples)) == expected
    shuffled = tf.data.Dataset.from_tensor_slices((examples, examples))
    shuffled = shuffled.shuffle(500, seed=1).batch(7)
    batches = CalibrationBatches(shuffled)
    for _ in range(2):
        assert {
            float(x) for rows, out in batches for x in rows[out, 0]
        } == expected


def test_all_inputs_of_a_model_count(rng):
    ids = np.arange(500)
    text = {"ids": ids, "text": np.array(["same"] * 500)}
    both = {"ids": ids, "text": np.array([f"row {i}" for i in ids])}

    def share(data):
        return np.concatenate([out for _, out in CalibrationBatches(data)])

    assert 60 < share(text).sum() < 140
    assert (share(text) != share(both)).any()


def test_an_iterator_is_refused(examples):
    with pytest.raises(ValueError, match="gone through several times"):
        CalibrationBatches(iter([examples]))


def test_tokens_follow_their_example():
    out = np.array([False, True, False])
    np.testing.assert_array_equal(
        of_tokens(out, 6), [False, False, True, True, False, False]
    )
