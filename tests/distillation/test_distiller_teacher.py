"""The teacher is run, and that is all that happens to it."""

import keras
import numpy as np
import pytest
from keras import ops

from ones_keras.distillation import Distiller
from ones_keras.distillation.teacher_signal import TeacherSignal


class Restless(keras.layers.Layer):
    """Moves state, adds a loss and updates a metric whenever it is called."""

    def build(self, _):
        self.calls = self.add_weight(
            shape=(), initializer="zeros", trainable=False
        )
        self.seeds = keras.random.SeedGenerator(3)
        self.mean = keras.metrics.Mean(name="restless_mean")

    def call(self, x):
        self.calls.assign(self.calls + 1.0)
        self.mean.update_state(ops.mean(x))
        self.add_loss(1e6 * ops.mean(x**2))
        return x + 1e-3 * keras.random.normal(ops.shape(x), seed=self.seeds)


class Explodes(keras.layers.Layer):
    """Raises in training mode."""

    def call(self, x, training=None):
        if training:
            raise RuntimeError("boom")
        return x


@pytest.fixture
def teacher(classifier):
    model = classifier(
        6,
        seed=7,
        layers=[
            Restless(),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
        ],
        kernel_regularizer="l2",
    )
    model.layers[2].trainable = False
    return model


def _state(model, snapshot):
    return (
        snapshot(model),
        [np.array(v.numpy()) for v in model.metrics_variables],
        [layer.trainable for layer in model._flatten_layers()],
        model.compiled,
    )


def _assert_same(before, after):
    for old, new in zip(
        before[0] + before[1], after[0] + after[1], strict=True
    ):
        np.testing.assert_array_equal(old, new)
    assert before[2:] == after[2:]


@pytest.mark.parametrize("eager", [False, True])
def test_nothing_in_the_teacher_moves(
    teacher, classifier, batch, cross_entropy, snapshot, eager
):
    before = _state(teacher, snapshot)
    distiller = Distiller(teacher, classifier())
    distiller.compile("adam", cross_entropy, run_eagerly=eager)
    history = distiller.fit(
        *batch, validation_data=batch, epochs=2, verbose=0
    ).history
    _assert_same(before, _state(teacher, snapshot))
    # Its losses are nobody's: one of them alone would be in the millions.
    assert history["loss"][0] < 100


def test_an_exception_in_a_step_leaves_the_teacher(
    teacher, classifier, batch, cross_entropy, snapshot
):
    x, y = batch
    before = _state(teacher, snapshot)
    student = classifier(layers=[Explodes()])
    distiller = Distiller(teacher, student)
    distiller.compile("sgd", cross_entropy)
    with pytest.raises(Exception, match="boom"):
        distiller.fit(x, y, verbose=0)
    _assert_same(before, _state(teacher, snapshot))
    assert np.isfinite(ops.convert_to_numpy(teacher(x))).all()


def test_an_exception_in_the_teacher_leaves_the_teacher(
    classifier, batch, cross_entropy, snapshot
):
    class Refuses(keras.layers.Layer):
        def call(self, x, training=None):
            if training is False and not isinstance(x, keras.KerasTensor):
                raise RuntimeError("boom")
            return x

    teacher = classifier(layers=[Restless(), Refuses()])
    before = _state(teacher, snapshot)
    distiller = Distiller(teacher, classifier())
    distiller.compile("sgd", cross_entropy)
    with pytest.raises(Exception, match="boom"):
        distiller.fit(*batch, verbose=0)
    _assert_same(before, _state(teacher, snapshot))


def test_the_teacher_is_no_part_of_the_distiller(teacher, classifier, batch):
    student = classifier()
    distiller = Distiller(teacher, student)
    own = {id(v) for v in teacher.variables}
    for variables in (
        distiller.variables,
        distiller.trainable_variables,
        distiller.non_trainable_variables,
    ):
        assert not own & {id(v) for v in variables}
    assert len(distiller.weights) - len(student.weights) == 0
    assert distiller.count_params() == student.count_params()
    assert teacher not in distiller._flatten_layers()
    assert distiller.teacher is teacher
    if keras.backend.backend() == "torch":
        ours = {p.data_ptr() for p in distiller.parameters()}
        assert not ours & {p.data_ptr() for p in teacher.parameters()}


def test_the_teacher_runs_in_training_only(classifier, batch, cross_entropy):
    modes = []

    class Spy(keras.layers.Layer):
        def call(self, x, training=None):
            modes.append(training)
            return x

    distiller = Distiller(classifier(layers=[Spy()]), classifier())
    distiller.compile("sgd", cross_entropy, run_eagerly=True)
    modes.clear()  # of the calls that built the teacher
    distiller.evaluate(*batch, verbose=0)
    distiller.predict(batch[0], verbose=0)
    assert modes == []
    distiller.fit(*batch, batch_size=6, verbose=0)
    assert modes == [False, False]


def test_the_signal_carries_no_gradient(classifier, batch):
    teacher = classifier()
    signal = TeacherSignal(teacher)
    if keras.backend.backend() == "torch":
        assert not signal(batch[0]).requires_grad
    np.testing.assert_array_equal(
        ops.convert_to_numpy(signal(batch[0])),
        ops.convert_to_numpy(teacher(batch[0])),
    )


def test_the_signal_runs_with_the_state_it_is_given(classifier, batch, run):
    teacher, other = classifier(seed=1), classifier(seed=2)
    signal = TeacherSignal(teacher)
    state = [v.value for v in other.variables]
    np.testing.assert_allclose(
        ops.convert_to_numpy(signal(batch[0], state)),
        run(other, batch[0]),
        rtol=1e-6,
    )


@pytest.mark.parametrize("copy", ["through numpy", "assigned"])
def test_teacher_and_student_outlive_a_fit_from_the_same_weights(
    classifier, batch, cross_entropy, run, copy
):
    # On JAX the student's buffers are donated, and an assignment shares them.
    teacher, student = classifier(seed=1), classifier(seed=2)
    if copy == "assigned":
        for a, b in zip(student.variables, teacher.variables, strict=True):
            a.assign(b.value)
    else:
        student.set_weights(teacher.get_weights())
    before = run(teacher, batch[0])
    distiller = Distiller(teacher, student)
    distiller.compile("adam", cross_entropy)
    for _ in range(2):
        distiller.fit(*batch, batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(run(teacher, batch[0]), before)
    assert np.abs(run(student, batch[0]) - before).max() > 1e-3


def test_a_teacher_that_learns_on_is_read_anew(
    classifier, batch, cross_entropy, oracle, run
):
    x, y = batch
    teacher, student = classifier(seed=1), classifier(seed=2)
    distiller = Distiller(teacher, student)
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy)
    distiller.train_on_batch(x, y)
    teacher.set_weights(classifier(seed=9).get_weights())
    logs = distiller.train_on_batch(x, y, return_dict=True)
    expected = oracle.soft(run(teacher, x), run(student, x)).mean()
    np.testing.assert_allclose(logs["distill_loss"], expected, rtol=1e-5)
