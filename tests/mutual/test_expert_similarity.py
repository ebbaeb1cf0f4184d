"""Likeness of the experts within a model, on the tokens they are given."""

import itertools

import keras
import numpy as np
import pytest

from ones_keras.layers import MoEFeedForward
from ones_keras.mutual import expert_similarity, linear_cka
from tests.gradients import to_numpy


def test_by_loops(rng):
    """All experts on all tokens but padding, at both depths of a layer."""
    layer = MoEFeedForward(3, 5, activation="tanh", name="experts")
    inputs = keras.Input((4, 6))
    mask = keras.Input((4,), dtype="bool")
    first = layer(inputs, mask=mask)
    model = keras.Model([inputs, mask], layer(first, mask=mask))
    x = rng.normal(size=(7, 4, 6)).astype("float32")
    valid = rng.random((7, 4)) < 0.7
    between = to_numpy(layer(x, mask=keras.ops.convert_to_tensor(valid)))
    tokens = np.concatenate([x[valid], between[valid]])
    weights = [to_numpy(weight) for weight in layer.get_weights()[1:5]]
    outputs = [
        np.tanh(tokens @ up + up_bias) @ down + down_bias
        for up, up_bias, down, down_bias in zip(*weights, strict=True)
    ]
    expected = np.mean(
        [linear_cka(*pair) for pair in itertools.combinations(outputs, 2)]
    )
    found = expert_similarity(model, [x, valid])
    assert found == {"experts": pytest.approx(expected, rel=1e-4)}


def test_experts_that_are_one(rng):
    layer = MoEFeedForward(3, 5)
    model = keras.Sequential([keras.Input((6,)), layer])
    for name in ("up_kernel", "up_bias", "down_kernel", "down_bias"):
        variable = getattr(layer, name)
        first = to_numpy(variable)[:1]
        variable.assign(np.repeat(first, 3, axis=0))
    x = rng.normal(size=(20, 6)).astype("float32")
    assert expert_similarity(model, x)[layer.name] == pytest.approx(1)


def test_layers_that_cannot_be_told_apart_or_compared():
    def part():
        layer = MoEFeedForward(3, 5, name="experts")
        return keras.Sequential([keras.Input((6,)), layer])

    model = keras.Sequential([keras.Input((6,)), part(), part()])
    with pytest.raises(ValueError, match=r"\['experts', 'experts'\]"):
        expert_similarity(model, np.ones((2, 6)))
    layer = MoEFeedForward(1, 5, top_k=1, name="alone")
    model = keras.Sequential([keras.Input((6,)), layer])
    with pytest.raises(ValueError, match=r"one expert, \['alone'\]"):
        expert_similarity(model, np.ones((2, 6)))


def test_a_model_without_experts():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="must have `MoEFeedForward`"):
        expert_similarity(model, np.ones((2, 6)))
