import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.training.strategy import SpreadStrategy, Strategy


class TwoOfFour(Strategy):
    """The second of two hosts with two devices each."""

    name = "data_parallel"
    num_devices = 4
    part = (1, 2)


@settings(deadline=None)
@given(st.integers(1, 17))
def test_the_last_batch_is_filled_up(count):
    strategy = Strategy()
    strategy.num_devices = 4
    x = np.arange(count)
    batches = tf.data.Dataset.from_tensor_slices((x, -x)).batch(8)
    found = list(strategy.evaluation_batches(batches, 8).as_numpy_iterator())
    assert all(len(values) == 8 for batch in found for values in batch)
    x, y, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    np.testing.assert_array_equal(weights, np.arange(len(x)) < count)
    np.testing.assert_array_equal(x[weights > 0], np.arange(count))
    np.testing.assert_array_equal(y, -x)
    # With examples of the same batch.
    assert set(x[weights == 0]) <= set(range(count // 8 * 8, count))


def test_filled_up_batches_evaluate_as_those_they_were(rng):
    """Weights of two outputs, of which one is for places."""
    inputs = keras.Input((3,))
    model = keras.Model(
        inputs,
        {
            "places": keras.layers.Reshape((5, 1))(
                keras.layers.Dense(5)(inputs)
            ),
            "whole": keras.layers.Dense(1)(inputs),
        },
    )
    model.compile(
        loss={"places": "mse", "whole": "mse"},
        weighted_metrics={"places": "mae", "whole": "mae"},
    )
    x = rng.normal(size=(11, 3)).astype("float32")
    y = {"places": rng.normal(size=(11, 5, 1)), "whole": x[:, :1]}
    weights = {
        "places": rng.uniform(size=(11, 5)),
        "whole": rng.uniform(size=11),
    }
    batches = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(4)
    strategy = Strategy()
    strategy.num_devices = 2
    expected, found = (
        model.evaluate(data, return_dict=True, verbose=0)
        for data in (batches, strategy.evaluation_batches(batches, 4))
    )
    for name in ("places_mae", "whole_mae"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)


def test_a_host_feeds_its_part():
    batches = tf.data.Dataset.range(16).batch(8, drop_remainder=True)
    batches = batches.map(lambda x: ({"a": x}, -x))
    found = TwoOfFour().own_part(batches).as_numpy_iterator()
    for (x, y), first in zip(found, (0, 8), strict=True):
        np.testing.assert_array_equal(x["a"], first + np.arange(4, 8))
        np.testing.assert_array_equal(y, -x["a"])
    filled = TwoOfFour().evaluation_batches(batches.take(1), 8)
    assert len(next(iter(filled))[1]) == 4


class OnesOwn(SpreadStrategy):
    """A copy on the same device."""

    def scope(self, models):
        return contextlib.nullcontext()


def test_what_is_frozen_stays_frozen():
    inner = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(3)]
    )
    inner.layers[0].trainable = False
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])
    before = model.get_weights()
    with OnesOwn().spread(model) as spread:
        assert spread is not model
        assert len(spread.trainable_variables) == 4
        spread.compile("sgd", "mse")
        spread.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    moved = [
        np.any(one != other)
        for one, other in zip(model.get_weights(), before, strict=True)
    ]
    assert moved == [False, False, True, True, True, True]


def test_a_batch_that_cannot_be_shared():
    TwoOfFour().check_batch_size("batch_size", 8)
    with pytest.raises(ValueError, match=r"multiple of the 4.*`batch_size=6`"):
        TwoOfFour().check_batch_size("batch_size", 6)
    unknown = tf.data.Dataset.range(16).batch(8)
    for batches in (unknown, unknown.batch(3, drop_remainder=True)):
        with pytest.raises(ValueError, match="2 hosts can share"):
            TwoOfFour().own_part(batches)
