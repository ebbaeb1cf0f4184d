"""The nine defects of `keras.distillation` 3.15.1, absent here."""

import zipfile

import keras
import numpy as np
import pytest
from keras import ops

from ones_keras.distillation import Distiller


def _step(distiller, x, y, sample_weight=None, loss=None, optimizer=None):
    """Runs one step and returns its logs as floats."""
    distiller.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.0),
        loss=loss
        or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    logs = distiller.train_on_batch(
        x, y, sample_weight=sample_weight, return_dict=True
    )
    return {name: float(value) for name, value in logs.items()}


class Counter(keras.layers.Layer):
    """Counts its calls from Python, by mode."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def call(self, x, training=None):
        self.calls.append(bool(training))
        return x


class FixedLogits(keras.layers.Layer):
    """Returns the same logits for every sample."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def call(self, x):
        return 0.0 * x + ops.convert_to_tensor(self.logits, "float32")


def test_defect_1_the_default_is_softmaxed_and_scaled(oracle):
    teacher_logits = [-1.0, -6.0, -3.0]  # all negative: Keras reports 0.0
    student_logits = [-4.0, -2.0, -1.0]
    teacher = keras.Sequential([keras.Input((3,)), FixedLogits(teacher_logits)])
    student = keras.Sequential([keras.Input((3,)), FixedLogits(student_logits)])
    x, y = np.zeros((2, 3), "float32"), np.zeros(2, "int32")

    class Trainable(keras.layers.Layer):
        def build(self, _):
            self.shift = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            return x + self.shift

    student.add(Trainable())
    distiller = Distiller(teacher, student, temperature=3.0)
    logs = _step(distiller, x, y)
    expected = oracle.soft([teacher_logits], [student_logits], 3.0).item()
    np.testing.assert_allclose(logs["distill_loss"], expected, rtol=1e-5)
    assert expected > 1.0


def test_defect_2_added_and_regularising_losses_count(
    classifier, batch, oracle, run
):
    class Adds(keras.layers.Layer):
        def call(self, x):
            self.add_loss(0.125 * ops.sum(x**2))
            return x

    x, y = batch
    student = classifier(layers=[Adds()], kernel_regularizer="l2")
    teacher = classifier(6, seed=7)
    kernel = student.layers[0].kernel.numpy()
    hidden = np.tanh(x @ kernel)
    logits = run(student, x)
    expected = (
        0.25 * oracle.cross_entropy(y, logits).mean()
        + 0.75 * oracle.soft(run(teacher, x), logits).mean()
        + 0.125 * (hidden**2).sum()
        + 0.01 * (kernel**2).sum()
    )
    logs = _step(Distiller(teacher, student), x, y)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_defect_3_sample_weight_counts_in_both_terms(
    classifier, batch, oracle, run
):
    x, y = batch
    teacher, student = classifier(6, seed=7), classifier()
    weight = np.linspace(0.0, 2.0, len(x)).astype("float32")
    logits = run(student, x)
    main = (oracle.cross_entropy(y, logits) * weight).mean()
    distill = (oracle.soft(run(teacher, x), logits) * weight).mean()
    logs = _step(Distiller(teacher, student), x, y, weight)
    np.testing.assert_allclose(logs["main_loss"], main, rtol=1e-5)
    np.testing.assert_allclose(logs["distill_loss"], distill, rtol=1e-5)
    np.testing.assert_allclose(
        logs["loss"], 0.25 * main + 0.75 * distill, rtol=1e-5
    )


def test_defect_3_padded_positions_train_nothing(rng, oracle, run):
    def tagger(seed):
        initializer = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        return keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                keras.layers.Embedding(
                    9, 4, mask_zero=True, embeddings_initializer=initializer
                ),
                keras.layers.Dense(3, kernel_initializer=initializer),
            ]
        )

    teacher, student = tagger(1), tagger(2)
    x = rng.integers(1, 9, size=(4, 5)).astype("int32")
    x[0, 2:] = 0
    x[1, 4:] = 0
    y = rng.integers(0, 3, size=(4, 5)).astype("int32")
    mask = x != 0
    logits = run(student, x)
    logs = _step(
        Distiller(teacher, student),
        x,
        y,
        optimizer=keras.optimizers.SGD(1.0),
    )
    distill = oracle.soft(run(teacher, x), logits)[mask].mean()
    main = oracle.cross_entropy(y, logits)[mask].mean()
    np.testing.assert_allclose(logs["distill_loss"], distill, rtol=1e-5)
    np.testing.assert_allclose(logs["main_loss"], main, rtol=1e-5)
    # The row of the padding token received no gradient.
    before = tagger(2).get_weights()[0][0]
    np.testing.assert_array_equal(student.get_weights()[0][0], before)


def test_defect_4_the_student_runs_once_and_evaluation_moves_nothing(
    classifier, batch, snapshot
):
    x, y = batch
    counter = Counter()
    student = classifier(
        layers=[counter, keras.layers.BatchNormalization(momentum=0.5)]
    )
    distiller = Distiller(classifier(6), student)
    distiller.compile(
        optimizer="sgd",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    distiller.evaluate(x, y, verbose=0)  # builds
    before = snapshot(student)
    counter.calls.clear()
    distiller.evaluate(x, y, batch_size=4, verbose=0)
    assert counter.calls == [False] * 3
    for old, new in zip(before, snapshot(student), strict=True):
        np.testing.assert_array_equal(old, new)

    mean = student.layers[2].moving_mean.numpy()
    hidden = np.tanh(x @ student.layers[0].kernel.numpy()).mean(axis=0)
    counter.calls.clear()
    distiller.train_on_batch(x, y)
    assert counter.calls == [True]
    # One update of the running mean, not two.
    np.testing.assert_allclose(
        student.layers[2].moving_mean.numpy(),
        0.5 * mean + 0.5 * hidden,
        rtol=1e-4,
        atol=1e-6,
    )


def test_defect_5_layers_are_never_looked_up_by_name(classifier):
    loss = keras.distillation.FeatureDistillation(
        teacher_layer_name="dense", student_layer_name="dense"
    )
    with pytest.raises(ValueError, match="return those features as outputs"):
        Distiller(classifier(), classifier(), distillation=loss)


def test_defect_6_a_bfloat16_teacher_teaches_a_float32_student(
    classifier, batch, oracle, run
):
    x, y = batch
    teacher, student = classifier(6, dtype="bfloat16"), classifier()
    logits = ops.convert_to_numpy(ops.cast(teacher(x), "float32"))
    expected = oracle.soft(logits, run(student, x)).mean()
    logs = _step(Distiller(teacher, student), x, y)
    np.testing.assert_allclose(logs["distill_loss"], expected, rtol=2e-2)


def test_defect_7_a_saved_distiller_is_the_student(
    classifier, batch, run, tmp_path, cross_entropy
):
    x, y = batch
    teacher, student = classifier(512), classifier()
    distiller = Distiller(teacher, student)
    _step(distiller, x, y, optimizer=keras.optimizers.SGD(0.1))
    path = tmp_path / "student.keras"
    distiller.save(path)
    assert path.stat().st_size < sum(v.nbytes for v in teacher.get_weights())
    with zipfile.ZipFile(path) as archive:
        assert b"Distiller" not in archive.read("config.json")

    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(run(loaded, x), run(student, x))
    loaded.compile("sgd", cross_entropy)
    loaded.fit(x, y, verbose=0)
    again = Distiller(teacher, loaded)
    _step(again, x, y)
    again.evaluate(x, y, verbose=0)


def test_defect_8_the_teachers_trainable_is_left_alone(classifier, batch):
    teacher = classifier(6)
    teacher.layers[1].trainable = False
    flags = [layer.trainable for layer in [teacher, *teacher.layers]]
    distiller = Distiller(teacher, classifier())
    _step(distiller, *batch)
    assert flags == [True, True, False]
    assert flags == [layer.trainable for layer in [teacher, *teacher.layers]]
    assert len(teacher.trainable_variables) == 2


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize("ending", ["softmax", "sigmoid", "layer", "op"])
def test_defect_9_probabilities_are_refused(classifier, role, ending):
    logits = classifier()
    if ending == "layer":
        outputs = keras.layers.Softmax()(logits.outputs[0])
    elif ending == "op":
        outputs = ops.softmax(logits.outputs[0])
    else:
        outputs = keras.layers.Dense(3, activation=ending)(logits.outputs[0])
    models = {"teacher": classifier(), "student": classifier()}
    models[role] = keras.Model(logits.inputs, outputs)
    with pytest.raises(ValueError, match=f"`{role}` must return logits"):
        Distiller(**models)
