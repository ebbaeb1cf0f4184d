"""Router statistics against hand-worked numbers and a NumPy loop."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ones_keras.layers import MoEFeedForward
from ones_keras.layers.routing import route
from ones_keras.metrics import RouterStatistics, router_statistics
from ones_keras.models import ViTImageClassifier

DIM, EXPERTS, TOP_K = 6, 3, 2


def results(metric):
    return {
        name: keras.ops.convert_to_numpy(value)
        for name, value in metric.result().items()
    }


def test_metric_on_numbers_worked_by_hand():
    # Tokens 0 to 2 choose expert 0, which has room for two: one is dropped.
    probabilities = np.array(
        [[0.9, 0.1], [0.5, 0.5], [1.0, 0.0], [0.1, 0.9]], "float32"
    )
    probabilities = keras.ops.convert_to_tensor(probabilities)
    metric = RouterStatistics(num_experts=2)
    metric.update_state(probabilities, route(probabilities, 1, capacity=2))
    found = results(metric)
    np.testing.assert_allclose(found["load"], [0.75, 0.25])
    assert found["dropped"] == pytest.approx(0.25)
    # (0.325083 + ln 2 + 0 + 0.325083) / 4
    assert found["entropy"] == pytest.approx(0.335828, abs=1e-6)

    # A second batch whose only token that counts chooses expert 1.
    mask = keras.ops.convert_to_tensor([False, False, False, True])
    metric.update_state(
        probabilities, route(probabilities, 1, 2, mask=mask), mask
    )
    found = results(metric)
    np.testing.assert_allclose(found["load"], [0.6, 0.4])
    assert found["dropped"] == pytest.approx(0.2)
    assert found["entropy"] == pytest.approx(0.333679, abs=1e-6)

    metric.reset_state()
    assert not any(np.any(value) for value in results(metric).values())


def test_metric_config_round_trip():
    metric = RouterStatistics(num_experts=5, name="router")
    copy = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert (copy.num_experts, copy.name) == (5, "router")


def sparse_model(shared=True, **kwargs):
    """Two MoE layers, or one at two depths, on padded token numbers."""

    def moe(name):
        return MoEFeedForward(
            EXPERTS, 8, TOP_K, activation="tanh", name=name, **kwargs
        )

    first = moe("first")
    second = first if shared else moe("second")
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, DIM, mask_zero=True)(inputs)
    for layer in (first, second):
        x = keras.layers.Add()([x, layer(x)])
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(0.7 * rng.normal(size=variable.shape))
    return model


def numpy_depth(layer, x, valid, capacity_factor):
    """One MoE layer on `(B, S, D)`, token by token and choice by choice.

    Returns its output without dropping, and its pairs an expert, the pairs
    over capacity and the entropies of the tokens that are no padding.
    """
    router, up, up_bias, down, down_bias = layer.get_weights()[:5]
    tokens, valid = x.reshape(-1, DIM), valid.reshape(-1)
    probabilities = special.softmax(tokens @ router, axis=-1)
    capacity = int(valid.sum() * capacity_factor * TOP_K / EXPERTS)
    load, dropped = np.zeros(EXPERTS), 0
    outputs = np.zeros_like(tokens)
    order = np.argsort(-probabilities, axis=-1)
    for choice in range(TOP_K):
        for token in np.flatnonzero(valid):
            e = order[token, choice]
            load[e] += 1
            dropped += load[e] > capacity
            hidden = np.tanh(tokens[token] @ up[e] + up_bias[e])
            outputs[token] += probabilities[token, e] * (
                hidden @ down[e] + down_bias[e]
            )
    entropies = stats.entropy(probabilities[valid], axis=-1)
    return outputs.reshape(x.shape), load, dropped, entropies


def expected(model, names, batches, capacity_factor):
    """The statistics of the MoE layer at each depth, over all batches."""
    depths = [model.get_layer(name) for name in names]
    embeddings = model.layers[1].get_weights()[0]
    found = [[np.zeros(EXPERTS), 0, []] for _ in depths]
    for batch in batches:
        x, valid = embeddings[batch], batch != 0
        for depth, layer in enumerate(depths):
            update, load, dropped, entropies = numpy_depth(
                layer, x, valid, capacity_factor
            )
            x = x + update
            found[depth][0] += load
            found[depth][1] += dropped
            found[depth][2].extend(entropies)
    return found


def padded_tokens(rng, batch, length=7):
    tokens = rng.integers(1, 20, size=(batch, length))
    lengths = rng.integers(1, length + 1, size=batch)
    return np.where(np.arange(length) < lengths[:, None], tokens, 0)


def check(found, load, dropped, entropies):
    np.testing.assert_allclose(found.load, load / load.sum(), rtol=1e-6)
    assert found.dropped == pytest.approx(dropped / load.sum())
    assert found.entropy == pytest.approx(np.mean(entropies), rel=1e-5)
    assert found.num_tokens == len(entropies)
    assert sum(found.load) == pytest.approx(1)


def test_depths_of_a_shared_layer_are_pooled(rng):
    # The noise of training must play no part.
    model = sparse_model(capacity_factor=0.5, router_noise=30.0)
    data = padded_tokens(rng, 7)
    found = router_statistics(model, data, batch_size=4)
    batches = (data[:4], data[4:])
    depths = expected(model, ("first", "first"), batches, 0.5)
    load = sum(depth[0] for depth in depths)
    dropped = sum(depth[1] for depth in depths)
    assert 0 < dropped < load.sum()
    assert list(found) == ["first"]
    check(found["first"], load, dropped, depths[0][2] + depths[1][2])


def test_layers_of_their_own_from_a_labelled_dataset(rng):
    model = sparse_model(shared=False, capacity_factor=0.4)
    data = padded_tokens(rng, 9)
    dataset = tf.data.Dataset.from_tensor_slices((data, np.zeros(9))).batch(5)
    found = router_statistics(model, dataset)
    depths = expected(model, found, (data[:5], data[5:]), 0.4)
    assert list(found) == ["first", "second"]
    for name, depth in zip(found, depths, strict=True):
        check(found[name], *depth)


def test_nothing_is_dropped_without_a_capacity(rng):
    model = sparse_model(capacity_factor=None)
    statistics = router_statistics(model, padded_tokens(rng, 3))["first"]
    assert statistics.dropped == 0


def test_a_shared_vit_counts_its_patches_once_a_depth(rng):
    teacher = ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10, num_layers=3
    )
    images = rng.uniform(0, 255, size=(5, 8, 8, 1)).astype("float32")
    (statistics,) = router_statistics(teacher, images).values()
    assert statistics.num_tokens == 5 * 16 * 3
    content = json.loads(json.dumps(statistics.to_dict()))
    assert tuple(content.pop("load")) == statistics.load
    assert content["entropy"] == statistics.entropy
    assert f"entropy {statistics.entropy:.3f} of 1.386" in str(statistics)


def test_models_without_experts_and_empty_data_are_refused(rng):
    inputs = keras.Input((4,))
    dense = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="dense")
    with pytest.raises(ValueError, match="`model=dense`"):
        router_statistics(dense, np.ones((2, 4)))
    model = sparse_model()
    with pytest.raises(ValueError, match="'first': 0"):
        router_statistics(model, np.zeros((0, 7), "int32"))
    with pytest.raises(ValueError, match="'first': 0"):
        router_statistics(model, np.zeros((3, 7), "int32"))  # All padding.


def test_two_layers_of_one_name_are_refused():
    def nested(name):
        part = keras.Input((DIM,))
        outputs = MoEFeedForward(EXPERTS, 8, name="experts")(part)
        return keras.Model(part, outputs, name=name)

    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, nested("two")(nested("one")(inputs)))
    with pytest.raises(ValueError, match=r"\['experts', 'experts'\]"):
        router_statistics(model, np.ones((2, DIM)))
