"""`teacher_agreement` against scipy's divergence over the whole data."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ones_keras.metrics import teacher_agreement


def linear_model(rng, input_shape=(5,), num_classes=4):
    model = keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(num_classes)]
    )
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


def expected(teacher, student, x):
    def logits(model):
        kernel, bias = model.get_weights()
        return (x @ kernel + bias).reshape(-1, bias.size)

    teacher, student = logits(teacher), logits(student)
    kl = stats.entropy(
        special.softmax(teacher, 1), special.softmax(student, 1), axis=1
    )
    return np.mean(teacher.argmax(1) == student.argmax(1)), kl.mean()


@pytest.mark.parametrize("input_shape", [(5,), (3, 5)])
def test_matches_scipy_with_a_last_batch_of_its_own_size(rng, input_shape):
    x = rng.normal(size=(23, *input_shape)).astype("float32")
    teacher = linear_model(rng, input_shape)
    student = linear_model(rng, input_shape)
    result = teacher_agreement(teacher, student, x, batch_size=10)
    top_1, kl = expected(teacher, student, x)
    assert result.top_1 == pytest.approx(top_1)
    assert result.kl == pytest.approx(kl, rel=1e-5)
    assert result.num_predictions == x[..., 0].size
    assert result.to_dict()["kl"] == result.kl
    assert f"{result.kl:.4f}" in str(result)


@pytest.mark.parametrize("with_labels", [True, False])
def test_datasets_are_streamed(rng, with_labels):
    x = rng.normal(size=(17, 5)).astype("float32")
    teacher, student = linear_model(rng), linear_model(rng)
    elements = (x, np.zeros(17)) if with_labels else x
    dataset = tf.data.Dataset.from_tensor_slices(elements).batch(8)
    from_dataset = teacher_agreement(teacher, student, dataset)
    from_array = teacher_agreement(teacher, student, x)
    assert from_dataset.kl == pytest.approx(from_array.kl, rel=1e-6)
    assert from_dataset.top_1 == from_array.top_1


def test_a_model_agrees_with_itself(rng):
    model = linear_model(rng)
    result = teacher_agreement(model, model, rng.normal(size=(9, 5)))
    assert result.top_1 == 1.0
    assert result.kl == pytest.approx(0.0, abs=1e-12)


def test_a_class_that_the_teacher_rules_out_adds_nothing():
    def constant(*logits):
        inputs = keras.Input((1,))
        outputs = keras.layers.Dense(
            3,
            kernel_initializer="zeros",
            bias_initializer=lambda shape, dtype=None: keras.ops.array(logits),
        )(inputs)
        return keras.Model(inputs, outputs)

    teacher = constant(0.0, 0.0, -np.inf)
    student = constant(0.0, np.log(3.0), 0.0)
    found = teacher_agreement(teacher, student, np.ones((2, 1)))
    # 1/2 log(1/2 / 1/5) + 1/2 log(1/2 / 3/5)
    expected = 0.5 * np.log(2.5) + 0.5 * np.log(5 / 6)
    assert found.kl == pytest.approx(expected, rel=1e-5)


def test_shapes_must_match(rng):
    teacher, student = linear_model(rng), linear_model(rng, num_classes=3)
    with pytest.raises(ValueError, match=r"teacher logits of shape \(2, 4\)"):
        teacher_agreement(teacher, student, np.ones((2, 5), "float32"))


def test_empty_and_endless_data_are_refused(rng):
    model = linear_model(rng)
    with pytest.raises(ValueError, match="holds no example"):
        teacher_agreement(model, model, np.ones((0, 5), "float32"))
    endless = tf.data.Dataset.from_tensors(np.ones((1, 5))).repeat()
    with pytest.raises(ValueError, match="take"):
        teacher_agreement(model, model, endless)
