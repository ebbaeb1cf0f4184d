"""The two losses against NumPy."""

import hypothesis
import hypothesis.extra.numpy as arrays
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops
from scipy import special

from ones_keras.distillation import (
    HardDistillationLoss,
    SoftDistillationLoss,
    softened_divergence,
)
from tests.gradients import loss_and_gradients

logits = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(2, 5)),
    elements=st.floats(-30, 30, width=32),
)


@hypothesis.settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    teacher=logits, temperature=st.floats(0.5, 8.0), seed=st.integers(0, 9)
)
def test_soft_is_the_definition(oracle, teacher, temperature, seed):
    student = np.random.default_rng(seed).normal(size=teacher.shape) * 5
    student = student.astype("float32")
    loss = SoftDistillationLoss(temperature)(teacher, student)
    expected = oracle.soft(teacher, student, temperature).mean()
    np.testing.assert_allclose(float(loss), expected, rtol=1e-4, atol=1e-4)
    assert float(loss) >= -1e-4


def test_soft_by_hand():
    # softmax([ln 3, 0]) = [3/4, 1/4] against [1/2, 1/2].
    loss = SoftDistillationLoss()(
        np.array([[np.log(3.0), 0.0]]), np.array([[0.0, 0.0]])
    )
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-6)


def test_soft_ignores_a_shift_of_the_logits(rng):
    teacher, student = rng.normal(size=(2, 6, 4)).astype("float32")
    loss = SoftDistillationLoss(2.0)
    np.testing.assert_allclose(
        float(loss(teacher + 50.0, student - 50.0)),
        float(loss(teacher, student)),
        atol=2e-5,
    )


def test_soft_with_a_class_ruled_out():
    teacher = np.array([[0.0, 0.0, -np.inf]], "float32")
    loss = SoftDistillationLoss()
    assert float(loss(teacher, teacher)) == 0.0
    loss = loss(teacher, np.zeros((1, 3), "float32"))
    np.testing.assert_allclose(float(loss), np.log(1.5), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_losses_are_float32_whatever_the_logits(rng, oracle, dtype):
    teacher = ops.cast(rng.normal(size=(5, 7)) * 4, dtype)
    student = ops.cast(rng.normal(size=(5, 7)), "float32")
    loss = SoftDistillationLoss(3.0)(teacher, student)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    exact = ops.convert_to_numpy(ops.cast(teacher, "float32"))
    expected = oracle.soft(exact, ops.convert_to_numpy(student), 3.0).mean()
    np.testing.assert_allclose(float(loss), expected, rtol=1e-5)


def test_hard_is_cross_entropy_with_the_teachers_choice(rng, oracle):
    teacher, student = rng.normal(size=(2, 4, 6, 5)).astype("float32")
    expected = oracle.cross_entropy(teacher.argmax(-1), student)
    loss = HardDistillationLoss(reduction=None)(teacher, student)
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [SoftDistillationLoss, HardDistillationLoss])
def test_sample_weight_is_reduced_as_in_keras(rng, loss):
    teacher, student = rng.normal(size=(2, 6, 4)).astype("float32")
    weight = np.array([0, 1, 2, 0, 0.5, 1], "float32")
    values = ops.convert_to_numpy(loss(reduction=None)(teacher, student))
    np.testing.assert_allclose(
        float(loss()(teacher, student, weight)),
        (values * weight).sum() / 6,
        rtol=1e-6,
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test_soft_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match=r"`temperature=.*`"):
        SoftDistillationLoss(temperature)


def test_round_trip_of_the_config():
    loss = SoftDistillationLoss(2.5, reduction="sum")
    copy = SoftDistillationLoss.from_config(loss.get_config())
    assert copy.get_config() == loss.get_config()
    loss = HardDistillationLoss(reduction="sum")
    copy = HardDistillationLoss.from_config(loss.get_config())
    assert copy.get_config() == loss.get_config()


@pytest.fixture
def _small_chunks(monkeypatch):
    monkeypatch.setattr(softened_divergence, "_CHUNK", 12)


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("positions", [(1,), (2, 3), (7,)])
def test_soft_in_chunks(rng, oracle, positions):
    teacher, student = rng.normal(size=(2, *positions, 4)).astype("float32") * 3
    values = SoftDistillationLoss(2.0, reduction=None)(teacher, student)
    np.testing.assert_allclose(
        ops.convert_to_numpy(values),
        oracle.soft(teacher, student, 2.0),
        rtol=1e-4,
        atol=1e-5,
    )


class Divergence(keras.Layer):
    def __init__(self, teacher, temperature):
        super().__init__()
        self.teacher = teacher
        self.loss = SoftDistillationLoss(temperature, reduction=None)
        self.built = True

    def call(self, inputs):
        return self.loss(self.teacher, inputs)


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_soft_gradient_is_that_of_the_definition(rng, oracle, temperature, jit):
    teacher, student = rng.normal(size=(2, 2, 4, 3)).astype("float32")
    weight = rng.uniform(0, 2, (2, 4)).astype("float32")
    _, found, _ = loss_and_gradients(
        Divergence(teacher, temperature), student, weight, jit=jit
    )
    small = 1e-4
    for index in np.ndindex(student.shape):
        step = np.zeros(student.shape)
        step[index] = small
        above, below = (
            (oracle.soft(teacher, student + sign * step, temperature) * weight)
            for sign in (1, -1)
        )
        expected = (above - below).sum() / (2 * small)
        np.testing.assert_allclose(found[index], expected, atol=1e-5)


def test_soft_gradient_where_the_teacher_rules_a_class_out(rng):
    teacher, student = rng.normal(size=(2, 2, 3)).astype("float32")
    teacher[0, 0] = -np.inf
    layer = Divergence(teacher, 1.0)
    weight = np.ones(2, "float32")
    _, found, _ = loss_and_gradients(layer, student, weight)
    np.testing.assert_allclose(
        found,
        special.softmax(student, -1) - special.softmax(teacher, -1),
        atol=1e-6,
    )
