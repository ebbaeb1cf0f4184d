"""Bad input is refused before anything runs."""

import keras
import numpy as np
import pytest

from ones_keras.distillation import Distiller


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "a", None, True])
def test_alpha_out_of_range(classifier, alpha):
    with pytest.raises(ValueError, match="`alpha="):
        Distiller(classifier(), classifier(), alpha=alpha)


@pytest.mark.parametrize(
    "temperature", [0, -1.0, float("inf"), float("nan"), "hot"]
)
def test_temperature_out_of_range(classifier, temperature):
    with pytest.raises(ValueError, match="`temperature="):
        Distiller(classifier(), classifier(), temperature=temperature)


@pytest.mark.parametrize(
    "distillation",
    [
        "hard",
        keras.distillation.LogitsDistillation(loss=keras.losses.KLDivergence()),
    ],
)
def test_temperature_without_a_use(classifier, distillation):
    models = classifier(), classifier()
    with pytest.raises(ValueError, match=r"`temperature=2\.0`"):
        Distiller(*models, temperature=2.0, distillation=distillation)


@pytest.mark.parametrize("distillation", ["kl", None, 3])
def test_unknown_distillation(classifier, distillation):
    with pytest.raises(ValueError, match=f"`distillation={distillation!r}`"):
        Distiller(classifier(), classifier(), distillation=distillation)


def test_keras_default_logits_distillation_is_refused(classifier):
    loss = keras.distillation.LogitsDistillation()
    with pytest.raises(ValueError, match="applies no softmax"):
        Distiller(classifier(), classifier(), distillation=loss)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_not_a_model(classifier, role):
    models = {"teacher": classifier(), "student": classifier()}
    models[role] = keras.layers.Dense(3)
    with pytest.raises(ValueError, match=f"`{role}` must be a `keras.Model`"):
        Distiller(**models)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_preprocessor_would_not_run(classifier, role):
    models = {"teacher": classifier(), "student": classifier()}
    models[role].preprocessor = keras.layers.Rescaling(2.0)
    with pytest.raises(ValueError, match=f"`{role}.preprocessor = None`"):
        Distiller(**models)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_unbuilt(classifier, role):
    models = {"teacher": classifier(), "student": classifier()}
    models[role] = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=f"`{role}` must be built"):
        Distiller(**models)


def _dense(inputs, classes):
    return keras.Sequential([keras.Input(inputs), keras.layers.Dense(classes)])


def test_outputs_of_different_shapes():
    with pytest.raises(ValueError, match=r"teacher shape=\(None, 4\), student"):
        Distiller(_dense((8,), 4), _dense((8,), 5))


def test_inputs_of_different_shapes():
    with pytest.raises(ValueError, match=r"\(None, 8\).*\(None, 9\)"):
        Distiller(_dense((8,), 4), _dense((9,), 4))
    with pytest.raises(ValueError, match="inputs of the same shapes"):
        Distiller(_dense((8,), 4), _dense((2, 8), 4))
    Distiller(_dense((None, 8), 4), _dense((5, 8), 4))


def test_a_single_logit_distils_nothing():
    with pytest.raises(ValueError, match="two classes at least"):
        Distiller(_dense((8,), 1), _dense((8,), 1))


def test_shared_layers(classifier):
    teacher = classifier()
    with pytest.raises(ValueError, match="must not share layers"):
        Distiller(teacher, teacher)
    x = keras.Input((8,))
    logits = keras.layers.Dense(3)(teacher.layers[0](x))
    with pytest.raises(ValueError, match="2 shared variables"):
        Distiller(teacher, keras.Model(x, logits))


@pytest.mark.parametrize("name", ["main", "distill"])
def test_an_output_named_like_a_metric(name):
    def model():
        x = keras.Input((8,))
        heads = {key: keras.layers.Dense(3)(x) for key in (name, "other")}
        return keras.Model(x, heads)

    with pytest.raises(ValueError, match="no output may be named"):
        Distiller(model(), model())


@pytest.mark.parametrize(
    "tail", ["linear", "reshape", "nested", "time", "mean"]
)
def test_a_softmax_behind_other_layers(tail):
    x = keras.Input((2, 8))
    softmax = keras.layers.Dense(3, activation="softmax")
    if tail == "time":
        softmax = keras.layers.TimeDistributed(softmax)
    elif tail == "nested":
        softmax = keras.Sequential([keras.Input((2, 8)), softmax])
    y = softmax(x)
    if tail == "linear":
        y = keras.layers.Activation("linear", dtype="float32")(y)
    elif tail == "reshape":
        y = keras.layers.Reshape((2, 3))(y)
    elif tail == "mean":
        other = keras.layers.Dense(3, activation="softmax")(x)
        y = keras.layers.Average()([y, other])
    student = keras.Model(x, keras.layers.Dense(3)(x))
    with pytest.raises(ValueError, match="`teacher` must return logits"):
        Distiller(keras.Model(x, y), student)


def test_log_softmax_is_logits_enough(batch, cross_entropy, oracle, run):
    def model(activation):
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(3, activation=activation),
            ]
        )

    x, y = batch
    teacher, student = model("log_softmax"), model(None)
    plain = model(None)
    plain.set_weights(teacher.get_weights())
    distiller = Distiller(teacher, student, temperature=4.0)
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    expected = oracle.soft(run(plain, x), run(student, x), 4.0).mean()
    np.testing.assert_allclose(logs["distill_loss"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "crossentropy",
        "ce",
        keras.losses.categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(),
        [keras.losses.SparseCategoricalCrossentropy()],
    ],
)
def test_a_loss_on_probabilities_is_refused(classifier, loss):
    distiller = Distiller(classifier(), classifier())
    with pytest.raises(ValueError, match="pass `from_logits=True`"):
        distiller.compile("sgd", loss)
    assert not distiller.compiled


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        keras.losses.CategoricalCrossentropy(from_logits=True),
        lambda y_true, y_pred: keras.ops.mean(y_pred, axis=-1),
    ],
)
def test_other_losses_are_taken(classifier, batch, loss):
    x, y = batch
    distiller = Distiller(classifier(), classifier())
    distiller.compile("sgd", loss)
    distiller.fit(x, np.eye(3, dtype="float32")[y], verbose=0)


def test_no_loss(classifier):
    with pytest.raises(ValueError, match="`loss=None`"):
        Distiller(classifier(), classifier()).compile("sgd")


def test_fit_before_compile(classifier, batch):
    with pytest.raises(ValueError, match="compile"):
        Distiller(classifier(), classifier()).fit(*batch)


def test_subclassed_models(batch, cross_entropy):
    class Net(keras.Model):
        def __init__(self, classes):
            super().__init__()
            self.dense = keras.layers.Dense(classes)

        def call(self, x):
            return self.dense(x)

    x, y = batch
    teacher, student, wrong = Net(3), Net(3), Net(4)
    for model in (teacher, student, wrong):
        model(x)
    distiller = Distiller(teacher, student)
    distiller.compile("sgd", cross_entropy)
    distiller.fit(x, y, verbose=0)
    distiller = Distiller(teacher, wrong)
    distiller.compile("sgd", cross_entropy)
    with pytest.raises(ValueError, match="logits of the same shape"):
        distiller.fit(x, y, verbose=0)
