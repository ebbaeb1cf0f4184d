"""Gradients of the sparse layer against two independent references."""

import keras
import numpy as np
import pytest

from tests.gradients import loss_and_gradients, to_numpy
from tests.layers.moe_cases import (
    ADVERSE,
    DIM,
    adverse_case,
    make_layer,
    softmax,
)

# Keras trains through XLA on JAX, and on TensorFlow where there is a GPU.
JIT = {"torch": [False], "jax": [True], "tensorflow": [False, True]}


# What XLA makes of a capacity takes seconds a case.
CASES = [
    (name, capacity_factor, jit)
    for name in ADVERSE
    for capacity_factor in (None, 0.6)
    for jit in JIT[keras.backend.backend()]
    if not (jit and capacity_factor)
    or name in ("all to one expert", "half masked")
]


@pytest.mark.parametrize(("name", "capacity_factor", "jit"), CASES)
def test_gradients_equal_all_experts(name, capacity_factor, jit, rng):
    layer, inputs, mask = adverse_case(name, rng)
    layer.capacity_factor = capacity_factor
    layer.mutual_distillation = 0.5 if layer.top_k > 1 else 0.0
    weights = rng.normal(size=inputs.shape).astype("float32")
    kwargs = {"mask": mask, "training": True}
    found = loss_and_gradients(layer, inputs, weights, jit=jit, **kwargs)
    # XLA rounds in its own way, and on another CPU in another.
    near = 3 if jit else 1
    layer.dispatch = "einsum"
    jit = JIT[keras.backend.backend()][0]
    expected = loss_and_gradients(layer, inputs, weights, jit=jit, **kwargs)
    np.testing.assert_allclose(found[0], expected[0], atol=near * 1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=near * 2e-5)
    names = [variable.name for variable in layer.trainable_variables]
    assert names[0] == "router_kernel"
    for name, one, other in zip(names, found[2], expected[2], strict=True):
        atol = near * 1e-5 * max(1, abs(other).max())
        np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
    if mask is None:
        assert abs(found[2][0]).max() > 0  # the router does learn


def test_gradients_equal_finite_differences(rng):
    """Those of gates and balance, which both dispatches would get wrong."""
    layer = make_layer((5, DIM), load_balance=0.5, capacity_factor=None)
    inputs = rng.normal(size=(5, DIM)).astype("float32")
    weights = rng.normal(size=inputs.shape).astype("float32")
    _, _, gradients = loss_and_gradients(layer, inputs, weights, training=True)
    router, up, up_bias, down, down_bias = (
        to_numpy(weight).astype("float64") for weight in layer.get_weights()[:5]
    )
    chosen = np.argsort(-softmax(inputs @ router), axis=-1)[:, :2]
    share = np.bincount(chosen.ravel(), minlength=4) / chosen.size

    def loss(router):
        probabilities = softmax(inputs.astype("float64") @ router)
        total = 0.5 * 4 * np.sum(share * probabilities.mean(0))
        for token, x in enumerate(inputs):
            for expert in chosen[token]:
                hidden = np.tanh(x @ up[expert] + up_bias[expert])
                output = hidden @ down[expert] + down_bias[expert]
                total += probabilities[token, expert] * output @ weights[token]
        return total

    expected = np.zeros_like(router)
    for index in np.ndindex(router.shape):
        step = np.zeros_like(router)
        step[index] = 1e-5
        expected[index] = (loss(router + step) - loss(router - step)) / 2e-5
    np.testing.assert_allclose(gradients[0], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("jit", JIT[keras.backend.backend()])
def test_bfloat16_gradients_are_summed_in_float32(jit, rng):
    """With many blocks an expert, whose sum bfloat16 would round away."""
    tokens = 3000
    layer = make_layer((tokens, DIM), num_experts=2, dtype="mixed_bfloat16")
    reference = make_layer((tokens, DIM), num_experts=2)
    reference.set_weights(layer.get_weights())
    inputs = rng.normal(size=(tokens, DIM)).astype("float32")
    weights = np.ones((tokens, DIM), "float32")
    kwargs = {"training": True, "jit": jit}
    _, _, found = loss_and_gradients(layer, inputs, weights, **kwargs)
    _, _, expected = loss_and_gradients(reference, inputs, weights, **kwargs)
    # The bias of the down kernel adds up thousands of gates of one sign.
    for one, other in zip(found[1:], expected[1:], strict=True):
        error = np.linalg.norm(one.astype("float32") - other)
        assert error < 0.02 * np.linalg.norm(other)
