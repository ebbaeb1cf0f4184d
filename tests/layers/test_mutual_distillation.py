"""Experts that teach each other, against loops over tokens and experts."""

import itertools

import keras
import numpy as np
import pytest

from ones_keras.layers import MoEFeedForward
from tests.gradients import loss_and_gradients, to_numpy
from tests.layers.moe_cases import DIM, make_layer, set_router, softmax


def numpy_distance(layer, inputs, mask=None, capacity=None):
    """Mean over tokens and ordered pairs of the experts that have them."""
    router, up, up_bias, down, down_bias = (
        to_numpy(weight).astype("float64") for weight in layer.get_weights()[:5]
    )
    tokens = inputs.reshape(-1, inputs.shape[-1]).astype("float64")
    valid = np.ones(len(tokens), bool) if mask is None else mask.reshape(-1)
    chosen = np.argsort(-softmax(tokens @ router), axis=-1, kind="stable")
    having = [[] for _ in tokens]
    used = np.zeros(layer.num_experts, int)
    for choice in range(layer.top_k):
        for index in np.flatnonzero(valid):
            expert = chosen[index, choice]
            used[expert] += 1
            if capacity is None or used[expert] <= capacity:
                having[index].append(expert)
    distances = []
    for token, experts in zip(tokens, having, strict=True):
        outputs = [
            np.tanh(token @ up[i] + up_bias[i]) @ down[i] + down_bias[i]
            for i in experts
        ]
        if len(outputs) > 1:
            pairs = itertools.permutations(outputs, 2)
            distances.append(
                np.mean([np.mean((one - other) ** 2) for one, other in pairs])
            )
    return np.mean(distances) if distances else 0.0


def losses(layer, inputs, **kwargs):
    layer(inputs, **kwargs)
    return [float(to_numpy(loss)) for loss in layer.losses]


@pytest.mark.parametrize("dispatch", ["sparse", "einsum"])
@pytest.mark.parametrize(
    ("top_k", "capacity_factor", "masked"),
    [
        (2, None, False),
        (2, None, True),
        (2, 0.6, False),
        (2, 0.6, True),
        (3, None, True),
        (3, 0.6, True),
        (4, None, False),
    ],
)
def test_distance_equals_loops(dispatch, top_k, capacity_factor, masked, rng):
    shape = (3, 11, DIM)
    layer = make_layer(
        shape,
        top_k=top_k,
        dispatch=dispatch,
        capacity_factor=capacity_factor,
        mutual_distillation=0.7,
        load_balance=0.0,
    )
    inputs = rng.normal(size=shape).astype("float32")
    mask = rng.random(shape[:-1]) < 0.6 if masked else None
    capacity = None
    if capacity_factor is not None:
        tokens = mask.sum() if masked else 33
        capacity = int(tokens * capacity_factor * top_k / 4)
    expected = numpy_distance(layer, inputs, mask, capacity)
    (found,) = losses(layer, inputs, mask=mask, training=True)
    assert expected > 0
    assert found == pytest.approx(0.7 * expected, rel=1e-5)


def test_a_weight_means_the_same_for_every_top_k(rng):
    """Experts whose outputs differ alike are as far apart, however many."""
    found = []
    for top_k in (2, 4):
        layer = make_layer(
            (1, DIM), top_k=top_k, mutual_distillation=1.0, load_balance=0.0
        )
        biases = np.eye(4, DIM, dtype="float32")
        layer.down_kernel.assign(0 * np.array(layer.down_kernel))
        layer.down_bias.assign(biases)
        inputs = rng.normal(size=(1, DIM)).astype("float32")
        found += losses(layer, inputs, training=True)
    # (1, 0, ...) and (0, 1, ...): two of the components.
    assert found == pytest.approx([2 / DIM, 2 / DIM])


def test_tokens_of_one_expert_have_nobody_to_learn_from():
    """Of two tokens the second is dropped by the expert that both choose."""
    layer = make_layer(
        (2, DIM),
        num_experts=2,
        capacity_factor=0.5,
        mutual_distillation=1.0,
        load_balance=0.0,
    )
    inputs = np.array([[1.0] * DIM, [2.0] * DIM], "float32")
    set_router(layer, np.array([[1.0, 0.0]] * DIM))
    (found,) = losses(layer, inputs, training=True)
    layer.capacity_factor = None
    (alone,) = losses(layer, inputs[:1], training=True)
    assert found == pytest.approx(alone, rel=1e-5)
    mask = keras.ops.convert_to_tensor(np.zeros(2, bool))
    assert losses(layer, inputs, mask=mask, training=True) == [0.0]


def test_nothing_at_inference(rng):
    inputs = rng.normal(size=(5, DIM)).astype("float32")
    layer = make_layer((5, DIM), mutual_distillation=1.0)
    plain = make_layer((5, DIM))
    plain.set_weights(layer.get_weights())
    assert losses(layer, inputs) == []
    np.testing.assert_array_equal(
        to_numpy(layer(inputs)), to_numpy(plain(inputs))
    )


def test_gradients_equal_finite_differences(rng):
    layer = make_layer(
        (4, DIM),
        mutual_distillation=0.8,
        load_balance=0.0,
        capacity_factor=None,
    )
    inputs = rng.normal(size=(4, DIM)).astype("float32")
    zeros = np.zeros_like(inputs)
    _, _, gradients = loss_and_gradients(layer, inputs, zeros, training=True)
    # Which experts a token has does not change by the distance.
    np.testing.assert_array_equal(gradients[0], 0 * gradients[0])
    for number in (1, 3, 4):
        variable = layer.trainable_variables[number]
        value = to_numpy(variable).astype("float64")
        direction = rng.normal(size=value.shape)
        found = []
        for step in (1e-3, -1e-3):
            variable.assign((value + step * direction).astype("float32"))
            found.append(0.8 * numpy_distance(layer, inputs))
        variable.assign(value.astype("float32"))
        slope = (found[0] - found[1]) / 2e-3
        assert np.sum(gradients[number] * direction) == pytest.approx(
            slope, rel=2e-3
        )


def test_experts_come_together(rng):
    inputs = rng.normal(size=(64, DIM)).astype("float32")
    keras.utils.set_random_seed(0)
    layer = make_layer(inputs.shape, mutual_distillation=10.0, load_balance=0.0)
    model = keras.Sequential([keras.Input((DIM,)), layer])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    before = numpy_distance(layer, inputs)
    model.fit(inputs, inputs, epochs=100, batch_size=64, verbose=0)
    assert numpy_distance(layer, inputs) < before / 20


def test_bad_arguments():
    for options, message in (
        ({"top_k": 1, "mutual_distillation": 0.1}, "`top_k=1`"),
        ({"mutual_distillation": -0.1}, "`mutual_distillation=-0.1`"),
        ({"mutual_distillation": np.nan}, "`mutual_distillation=nan`"),
    ):
        with pytest.raises(ValueError, match=f"Received: .*{message}"):
            MoEFeedForward(4, 8, **options)
    layer = MoEFeedForward(4, 8, mutual_distillation=0.1)
    again = MoEFeedForward.from_config(layer.get_config())
    assert again.mutual_distillation == 0.1
