import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.layers import MoEFeedForward
from tests.gradients import to_numpy
from tests.layers.moe_cases import (
    ADVERSE,
    DIM,
    HIDDEN,
    adverse_case,
    make_layer,
    numpy_moe,
    set_router,
    softmax,
)


@pytest.mark.parametrize("name", ADVERSE)
def test_outputs_equal_numpy_loop(name, rng):
    layer, inputs, mask = adverse_case(name, rng)
    expected = numpy_moe(layer, inputs, mask)
    np.testing.assert_allclose(
        to_numpy(layer(inputs, mask=mask)), expected, atol=1e-5
    )
    layer.dispatch = "einsum"
    np.testing.assert_allclose(
        to_numpy(layer(inputs, mask=mask)), expected, atol=1e-5
    )


def test_padding_does_not_count_for_the_capacity(rng):
    layer = make_layer((100, DIM), num_experts=4, top_k=1, capacity_factor=1.2)
    kernel = np.zeros((DIM, 4))
    kernel[0, 2] = 50
    set_router(layer, kernel)
    inputs = np.ones((100, DIM), "float32")
    mask = keras.ops.convert_to_tensor(np.arange(100) < 25)
    probabilities = layer.router_probabilities(inputs)
    routing = layer.route(probabilities, mask, training=True)
    np.testing.assert_array_equal(to_numpy(routing.load), [0, 0, 25, 0])
    np.testing.assert_array_equal(to_numpy(routing.kept_load), [0, 0, 7, 0])


@settings(max_examples=12, deadline=None)
@given(
    tokens=st.sampled_from([1, 7, 60]),
    num_experts=st.integers(2, 5),
    data=st.data(),
)
def test_any_shape_capacity_and_mask(tokens, num_experts, data):
    top_k = data.draw(st.integers(1, num_experts))
    factor = data.draw(st.sampled_from([None, 0.3, 1.0, 1.2]))
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    layer = make_layer(
        (None, DIM),
        num_experts=num_experts,
        top_k=top_k,
        inference_capacity_factor=factor,
        renormalize_gates=bool(seed % 2),
    )
    inputs = rng.normal(size=(tokens, DIM)).astype("float32")
    mask = rng.random(tokens) < data.draw(st.sampled_from([0.3, 0.9]))
    capacity = None
    if factor is not None:
        capacity = max(1, int(mask.sum() * factor * top_k / num_experts))
    np.testing.assert_allclose(
        to_numpy(layer(inputs, mask=mask)),
        numpy_moe(layer, inputs, mask, capacity, bool(seed % 2)),
        atol=1e-5,
    )


def test_first_choices_are_served_before_second_ones():
    layer = make_layer((4, DIM), num_experts=2, capacity_factor=0.5)
    kernel = np.zeros((DIM, 2))
    kernel[0] = [1, -1]
    set_router(layer, kernel)
    inputs = np.zeros((4, DIM), "float32")
    # Tokens 0 and 1 want expert 1 first; capacity is 2 an expert, so expert 0
    # serves tokens 2 and 3 although 0 and 1 come before them in the batch.
    inputs[:, 0] = [-1, -1, 1, 1]
    routing = layer.route(layer.router_probabilities(inputs), training=True)
    np.testing.assert_array_equal(
        to_numpy(routing.gates) > 0, [[True, False]] * 4
    )
    np.testing.assert_array_equal(to_numpy(routing.load), [4, 4])
    np.testing.assert_array_equal(to_numpy(routing.kept_load), [2, 2])


def test_load_balance_loss_is_one_when_uniform_and_num_experts_at_collapse():
    layer = make_layer((8, DIM), load_balance=1.0, top_k=1)
    set_router(layer, np.zeros((DIM, 4)))
    inputs = np.ones((8, DIM), "float32")
    layer(inputs, training=True)
    # Ties: every token goes to one expert, at probability 1/4: 4 * 1 * 1/4.
    np.testing.assert_allclose(to_numpy(layer.losses[0]), 1.0, rtol=1e-6)
    kernel = np.zeros((DIM, 4))
    kernel[:, 1] = 50
    set_router(layer, kernel)
    layer(inputs, training=True)
    np.testing.assert_allclose(to_numpy(layer.losses[0]), 4.0, rtol=1e-6)


def test_load_balance_loss_equals_numpy_and_ignores_padding(rng):
    layer = make_layer((20, DIM), load_balance=0.3)
    inputs = rng.normal(size=(20, DIM)).astype("float32")
    mask = np.arange(20) < 13
    layer(inputs, mask=mask, training=True)
    probabilities = softmax(inputs[:13] @ to_numpy(layer.router_kernel))
    chosen = np.argsort(-probabilities, axis=-1)[:, :2]
    share = np.bincount(chosen.ravel(), minlength=4) / 26
    expected = 0.3 * 4 * np.sum(share * probabilities.mean(0))
    np.testing.assert_allclose(to_numpy(layer.losses[0]), expected, rtol=1e-5)


def test_no_loss_at_inference(rng):
    layer = make_layer((5, DIM))
    layer(rng.normal(size=(5, DIM)).astype("float32"), training=False)
    assert layer.losses == []


def test_noise_in_training_only_with_the_papers_deviation():
    layer = make_layer((None, DIM), router_noise=None)
    tokens = np.zeros((5000, DIM), "float32")
    still = to_numpy(layer.router_probabilities(tokens))
    np.testing.assert_allclose(still, 0.25, rtol=1e-6)
    noisy = to_numpy(layer.router_probabilities(tokens, training=True))
    logits = np.log(noisy)
    centred = logits - logits.mean(-1, keepdims=True)
    # Centring over E = 4 logits leaves (E - 1) / E of the variance 1 / E^2.
    deviation = np.sqrt((centred**2).mean() * 4 / 3)
    np.testing.assert_allclose(deviation, 1 / 4, rtol=0.03)
    again = to_numpy(layer.router_probabilities(tokens, training=True))
    assert abs(again - noisy).max() > 0.01


def test_experts_start_different_and_at_the_scale_of_a_dense_layer():
    layer = MoEFeedForward(4, 512, kernel_initializer="glorot_uniform")
    layer.build((None, 256))
    kernels = to_numpy(layer.up_kernel)
    bound = np.sqrt(6 / (256 + 512))
    for kernel in kernels:
        np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.02)
    assert abs(kernels[0] - kernels[1]).max() > bound / 2
    seeded = MoEFeedForward(
        2, 8, kernel_initializer=keras.initializers.GlorotUniform(seed=3)
    )
    seeded.build((None, 8))
    first, second = to_numpy(seeded.up_kernel)
    assert abs(first - second).max() > 0.1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_routes_in_float32(policy, rng):
    inputs = rng.normal(size=(40, DIM)).astype("float16")
    layer = make_layer((40, DIM), dtype=policy)
    reference = make_layer((40, DIM))
    reference.set_weights(layer.get_weights())
    low = "bfloat16" if policy == "mixed_bfloat16" else "float16"
    rounded = to_numpy(keras.ops.cast(keras.ops.cast(inputs, low), "float32"))
    outputs = layer(inputs)
    assert keras.backend.standardize_dtype(outputs.dtype) == low
    np.testing.assert_array_equal(
        to_numpy(layer.router_probabilities(keras.ops.cast(inputs, low))),
        to_numpy(reference.router_probabilities(rounded)),
    )
    np.testing.assert_allclose(
        to_numpy(keras.ops.cast(outputs, "float32")),
        numpy_moe(reference, rounded),
        atol=0.05,
    )


def test_config_and_weights_round_trip(rng, tmp_path):
    inputs = keras.Input((None, DIM))
    layer = MoEFeedForward(
        3,
        HIDDEN,
        top_k=1,
        activation="relu",
        capacity_factor=None,
        inference_capacity_factor=2.0,
        load_balance=0.5,
        router_noise=0.1,
        renormalize_gates=True,
        dispatch="einsum",
        seed=7,
        name="ffn",
    )
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "moe.keras")
    loaded = keras.models.load_model(tmp_path / "moe.keras")
    assert loaded.get_layer("ffn").get_config() == layer.get_config()
    batch = rng.normal(size=(2, 5, DIM)).astype("float32")
    np.testing.assert_array_equal(
        to_numpy(loaded(batch)), to_numpy(model(batch))
    )


def test_mask_flows_through_a_functional_model(rng):
    inputs = keras.Input((5,), dtype="int32")
    embedded = keras.layers.Embedding(9, DIM, mask_zero=True)(inputs)
    outputs = MoEFeedForward(2, HIDDEN, name="ffn")(embedded)
    model = keras.Model(inputs, outputs)
    result = to_numpy(model(np.array([[3, 4, 0, 0, 0]])))
    assert np.all(result[0, 2:] == 0)
    assert np.all(abs(result[0, :2]).max(-1) > 0)


@pytest.mark.parametrize("dispatch", ["sparse", "einsum"])
def test_padding_may_hold_anything(dispatch, rng):
    layer = MoEFeedForward(3, HIDDEN, dispatch=dispatch)
    tokens = rng.normal(size=(4, DIM)).astype("float32")
    expected = to_numpy(layer(tokens))[:3]
    tokens[3] = np.nan
    result = to_numpy(layer(tokens, mask=np.arange(4) < 3))
    np.testing.assert_allclose(result[:3], expected, atol=1e-6)
    assert np.all(result[3] == 0)


# Keras compiles by XLA on TensorFlow by itself only where there is a GPU.
@pytest.mark.parametrize(
    "jit",
    [True, False] if keras.backend.backend() == "tensorflow" else ["auto"],
)
def test_fit_with_a_ragged_last_batch(jit, rng):
    inputs = keras.Input((4, DIM))
    outputs = MoEFeedForward(3, HIDDEN, dtype="float32")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", jit_compile=jit)
    images = rng.normal(size=(10, 4, DIM)).astype("float32")
    before = model.get_weights()
    history = model.fit(images, images, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.predict(images, batch_size=3, verbose=0).shape == images.shape
    for one, other in zip(before[:5], model.get_weights()[:5], strict=True):
        assert abs(one - other).max() > 0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"top_k": 5, "num_experts": 4}, "`top_k=5`, `num_experts=4`"),
        ({"num_experts": 0}, "`num_experts=0`"),
        ({"top_k": 1.5}, "`top_k=1.5`"),
        ({"capacity_factor": 0}, "`capacity_factor=0`"),
        ({"inference_capacity_factor": -1}, "`inference_capacity_factor=-1`"),
        ({"load_balance": -0.1}, "`load_balance=-0.1`"),
        ({"router_noise": -0.1}, "`router_noise=-0.1`"),
        ({"dispatch": "dense"}, "`dispatch='dense'`"),
        ({"activation": keras.layers.PReLU()}, "a layer.*`activation=<PReLU"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    kwargs = {"num_experts": 4, "intermediate_dim": 8, **kwargs}
    with pytest.raises(ValueError, match=message):
        MoEFeedForward(**kwargs)


def test_input_without_a_token_axis_is_refused():
    with pytest.raises(ValueError, match="rank 2 or more"):
        MoEFeedForward(2, 8).build((None,))
