"""What is held out depends on the examples, not on how they come."""

import numpy as np
import pytest
import tensorflow as tf

from ones_keras.gathering.calibration_batches import (
    CalibrationBatches,
    held_out,
    of_tokens,
)


def first_numbers(data):
    """The examples held out, as a set of their first numbers."""
    found = set()
    for x, examples in CalibrationBatches(data):
        found |= {float(row.flat[0]) for row in x[held_out(examples)]}
    return found


@pytest.fixture
def examples(rng):
    return rng.normal(size=(500, 3)).astype("float32")


def test_a_fifth_is_held_out_in_any_order_and_batches(examples, rng):
    expected = first_numbers(examples)
    assert 60 < len(expected) < 140  # 100, five standard deviations of 9
    assert first_numbers(rng.permutation(examples)) == expected
    shuffled = tf.data.Dataset.from_tensor_slices((examples, examples))
    shuffled = shuffled.shuffle(500, seed=1).batch(7)
    for _ in range(2):  # In another order each time.
        assert first_numbers(shuffled) == expected


def test_all_inputs_of_a_model_count(rng):
    ids = np.arange(500)
    text = {"ids": ids, "text": np.array(["same"] * 500)}
    both = {"ids": ids, "text": np.array([f"row {i}" for i in ids])}

    def share(data):
        return np.concatenate(
            [held_out(examples) for _, examples in CalibrationBatches(data)]
        )

    assert 60 < share(text).sum() < 140
    assert (share(text) != share(both)).any()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (iter([np.ones(3)]), "gone through several times"),
        (5, "`calibration_data=5`"),
        ("digits", "`calibration_data='digits'`"),
        ([1.0, 2.0], "first dimension"),
        ({"a": np.ones(3), "b": np.ones(2)}, r"\(3,\), \(2,\)"),
    ],
)
def test_data_that_cannot_serve_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        list(CalibrationBatches(data))


def test_tokens_follow_their_example():
    np.testing.assert_array_equal(
        of_tokens(np.array([5, 7, 6]), 6), [5, 5, 7, 7, 6, 6]
    )
    with pytest.raises(ValueError, match="3 examples, and the layer 7 tokens"):
        of_tokens(np.array([5, 7, 6]), 7)
