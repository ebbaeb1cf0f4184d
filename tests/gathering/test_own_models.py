"""Teachers that users put together themselves."""

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.layers import DenseFeedForward, MoEFeedForward
from tests.gradients import to_numpy


def make_experts_equal(layer):
    """Any gathering but a sum of them is then the layer itself."""
    layer.renormalize_gates = True
    for weight in (
        layer.up_kernel,
        layer.up_bias,
        layer.down_kernel,
        layer.down_bias,
    ):
        value = to_numpy(weight)
        weight.assign(np.broadcast_to(value[:1], value.shape))


def assert_same_function(student, teacher, x):
    np.testing.assert_allclose(
        to_numpy(student(x)), to_numpy(teacher(x)), atol=1e-5
    )


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 6)).astype("float32")


def test_experts_in_a_shared_nested_sequential():
    block = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(5),
            MoEFeedForward(2, 3, top_k=2, name="moe"),
        ],
        name="block",
    )
    inputs = keras.Input((5,))
    # Keyword arguments are taken, too.
    outputs = MoEFeedForward(2, 3, name="last")(inputs=block(block(inputs)))
    model = keras.Model(inputs, outputs)
    for layer in (block.get_layer("moe"), model.get_layer("last")):
        make_experts_equal(layer)
    student = ones_keras.gather(model, "average")
    assert student.get_layer("block").count_params() < block.count_params()
    x = np.linspace(-1, 1, 10, dtype="float32").reshape(2, 5)
    assert_same_function(student, model, x)


def test_dense_feed_forward_beside_experts_is_copied(x):
    inputs = keras.Input((6,))
    hidden = DenseFeedForward(5, name="ff")(inputs)
    moe = MoEFeedForward(2, 4, name="moe")
    teacher = keras.Model(inputs, keras.layers.Dense(2)(moe(hidden)))
    make_experts_equal(moe)
    student, report = ones_keras.gather(teacher, "average", return_report=True)
    assert_same_function(student, teacher, x)
    assert not report.fresh
    assert {"ff_up", "ff_down"} <= set(report.copied)


def test_layers_shared_by_nested_models_stay_shared(x):
    moe = MoEFeedForward(2, 4, name="moe")
    mix = keras.layers.Dense(6, name="mix")

    def block(name):
        inputs = keras.Input((6,))
        norm = keras.layers.LayerNormalization(name="norm")
        return keras.Model(inputs, moe(mix(norm(inputs))), name=name)

    inputs = keras.Input((6,))
    teacher = keras.Model(inputs, block("two")(block("one")(mix(inputs))))
    make_experts_equal(moe)
    student, report = ones_keras.gather(teacher, "average", return_report=True)
    assert [layer.name for layer in report.layers] == ["one/moe"]
    assert not report.fresh
    dense = 6 * 4 + 4 + 4 * 6 + 6
    assert student.count_params() == (
        teacher.count_params() - moe.count_params() + dense
    )
    assert_same_function(student, teacher, x)


def test_a_mask_given_by_position(rng):
    inputs = keras.Input((None, 6))
    valid = keras.Input((None,), dtype="bool")
    moe = MoEFeedForward(2, 4, name="moe")
    outputs = keras.layers.Dense(2)(moe(inputs, valid))
    teacher = keras.Model([inputs, valid], outputs)
    make_experts_equal(moe)
    student = ones_keras.gather(teacher, "average")
    x = rng.normal(size=(2, 3, 6)).astype("float32")
    assert_same_function(student, teacher, [x, np.ones((2, 3), bool)])


def test_a_lora_is_part_of_the_kernel(x, rng):
    inputs = keras.Input((6,))
    first = keras.layers.Dense(6, name="first")
    moe = MoEFeedForward(2, 4, name="moe")
    teacher = keras.Model(inputs, moe(first(inputs)))
    make_experts_equal(moe)
    first.enable_lora(2)
    first.lora_kernel_b.assign(rng.normal(size=(2, 6)))
    student, report = ones_keras.gather(teacher, "average", return_report=True)
    assert_same_function(student, teacher, x)
    assert not report.fresh
    assert len(student.trainable_variables) == len(student.variables) == 6


def test_calibration_data_of_any_kind(x):
    inputs = keras.Input((6,), name="features")
    moe = MoEFeedForward(2, 4, name="moe")
    teacher = keras.Model({"features": inputs}, moe(inputs))

    def error(data):
        _, report = ones_keras.gather(
            teacher, "average", calibration_data=data, return_report=True
        )
        return report.layers[0].relative_error

    expected = error([{"features": x}])
    assert expected > 0.1
    assert error({"features": x}) == pytest.approx(expected)
    tensor = keras.ops.convert_to_tensor(x)
    assert error({"features": tensor}) == pytest.approx(expected)
    with pytest.raises(ValueError, match="`calibration_data` a tuple of"):
        error(({"features": x}, np.zeros(3)))
