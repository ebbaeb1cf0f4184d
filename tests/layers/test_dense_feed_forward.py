import keras
import numpy as np
import pytest

from ones_keras.layers import DenseFeedForward, MoEFeedForward
from tests.gradients import to_numpy


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6), (2, 3, 4, 6)])
def test_equals_numpy(shape, rng):
    layer = DenseFeedForward(10, activation="tanh", name="ffn")
    inputs = rng.normal(size=shape).astype("float32")
    outputs = to_numpy(layer(inputs))
    up, up_bias, down, down_bias = layer.get_weights()
    expected = np.tanh(inputs @ up + up_bias) @ down + down_bias
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_inline_leaves_stock_layers_only(rng):
    inputs = keras.Input((4, 6))
    layer = DenseFeedForward(10, name="ffn")
    inline = keras.Model(inputs, layer.inline(inputs))
    assert [type(found) for found in inline.layers[1:]] == [
        keras.layers.Dense,
        keras.layers.Dense,
    ]
    assert [found.name for found in inline.layers[1:]] == ["ffn_up", "ffn_down"]
    batch = rng.normal(size=(2, 4, 6)).astype("float32")
    np.testing.assert_array_equal(
        to_numpy(inline(batch)), to_numpy(layer(batch))
    )


def test_config_round_trip_and_mixed_precision(tmp_path, rng):
    inputs = keras.Input((4, 6))
    layer = DenseFeedForward(
        10, activation="relu", dtype="mixed_bfloat16", name="ffn"
    )
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "dense.keras")
    loaded = keras.models.load_model(tmp_path / "dense.keras")
    assert loaded.get_layer("ffn").get_config() == layer.get_config()
    assert model.output.dtype == "bfloat16"
    batch = rng.normal(size=(2, 4, 6)).astype("float32")
    np.testing.assert_array_equal(
        to_numpy(keras.ops.cast(loaded(batch), "float32")),
        to_numpy(keras.ops.cast(model(batch), "float32")),
    )


def test_initializers_that_are_plain_functions():
    def halves(shape, dtype=None):
        return keras.ops.full(shape, 0.5, dtype)

    dense = DenseFeedForward(3, kernel_initializer=halves)
    sparse = MoEFeedForward(2, 3, kernel_initializer=halves)
    dense.build((None, 4))
    sparse.build((None, 4))
    for kernel in (dense.up.kernel, dense.down.kernel, sparse.up_kernel):
        assert np.all(np.array(kernel) == 0.5)


def test_experts_differ_with_a_seed_generator_as_initializer():
    initializer = keras.initializers.GlorotUniform(
        seed=keras.random.SeedGenerator(3)
    )
    layer = MoEFeedForward(3, 4, kernel_initializer=initializer)
    layer.build((None, 5))
    first, second, third = np.array(layer.up_kernel)
    assert abs(first - second).max() > 0
    assert abs(second - third).max() > 0


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`intermediate_dim=0`"):
        DenseFeedForward(0)
    with pytest.raises(ValueError, match=r"a layer.*`activation=<PReLU"):
        DenseFeedForward(4, activation=keras.layers.PReLU())
