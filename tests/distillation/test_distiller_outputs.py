"""Models with several outputs, and losses that replace the built-in one."""

import keras
import numpy as np
import pytest
from keras import ops

from ones_keras.distillation import Distiller

CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _two_heads(width, seed, structure=dict, order_activation=None):
    """A masked-language-model head of 4 classes and an order head of 2."""
    x = keras.Input((5,), name="tokens")

    def dense(units, name, **options):
        initializer = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        return keras.layers.Dense(
            units, name=name, kernel_initializer=initializer, **options
        )

    hidden = dense(width, "hidden", activation="tanh")(x)
    mlm = dense(4, "mlm")(hidden)
    order = dense(2, "order", activation=order_activation)(hidden)
    outputs = [mlm, order]
    if structure is dict:
        outputs = {"mlm": mlm, "order": order}
    return keras.Model(x, outputs)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(6, 5)).astype("float32")
    return x, rng.integers(0, 4, size=6), rng.integers(0, 2, size=6)


@pytest.mark.parametrize("structure", [dict, list])
@pytest.mark.parametrize("outputs", [None, "mlm", ["order"], ["order", "mlm"]])
def test_the_chosen_outputs_are_distilled(
    data, oracle, run, structure, outputs
):
    x, mlm, order = data
    teacher = _two_heads(8, 1, structure)
    student = _two_heads(4, 2, structure)
    keys = {"mlm": "mlm", "order": "order"}
    labels, weights = {"mlm": mlm, "order": order}, None
    if structure is list:
        keys = {"mlm": 0, "order": 1}
        labels = [mlm, order]
    taught, logits = run(teacher, x), run(student, x)
    weights = np.linspace(0, 1, 6).astype("float32")
    names = ["mlm", "order"] if outputs is None else outputs
    names = [names] if isinstance(names, str) else names
    expected = sum(
        (oracle.soft(taught[keys[n]], logits[keys[n]], 2.0) * weights).mean()
        for n in names
    )
    distiller = Distiller(teacher, student, temperature=2.0, outputs=outputs)
    distiller.compile(
        keras.optimizers.SGD(0.0),
        {"mlm": CROSS_ENTROPY, "order": CROSS_ENTROPY},
    )
    logs = distiller.train_on_batch(x, labels, weights, return_dict=True)
    np.testing.assert_allclose(logs["distill_loss"], expected, rtol=1e-5)
    main = sum(
        (oracle.cross_entropy(y, logits[keys[n]]) * weights).mean()
        for n, y in (("mlm", mlm), ("order", order))
    )
    np.testing.assert_allclose(logs["main_loss"], main, rtol=1e-5)
    assert {"mlm_loss", "order_loss"} < set(logs)


def test_inputs_in_a_dict_with_padding(rng, oracle, run):
    def tagger(width, seed):
        initializer = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        tokens = keras.Input((5,), dtype="int32", name="token_ids")
        start = keras.Input((2,), name="start")
        x = keras.layers.Embedding(
            9, width, mask_zero=True, embeddings_initializer=initializer
        )(tokens)
        x = keras.layers.GRU(width, return_sequences=True)(
            x, initial_state=keras.layers.Dense(width)(start)
        )
        x = keras.layers.Dense(4, kernel_initializer=initializer)(x)
        return keras.Model({"token_ids": tokens, "start": start}, {"mlm": x})

    x = {
        "token_ids": rng.integers(1, 9, size=(3, 5)).astype("int32"),
        "start": rng.normal(size=(3, 2)).astype("float32"),
    }
    x["token_ids"][0, 2:] = 0
    y = rng.integers(0, 4, size=(3, 5)).astype("int32")
    teacher, student = tagger(6, 1), tagger(4, 2)
    distiller = Distiller(teacher, student, temperature=2.0)
    distiller.compile(keras.optimizers.SGD(0.0), {"mlm": CROSS_ENTROPY})
    values = oracle.soft(run(teacher, x)["mlm"], run(student, x)["mlm"], 2.0)
    logs = distiller.train_on_batch(x, {"mlm": y}, return_dict=True)
    np.testing.assert_allclose(
        logs["distill_loss"], values[x["token_ids"] != 0].mean(), rtol=1e-4
    )


def test_losses_in_a_list_go_by_position(data):
    x, mlm, order = data
    models = _two_heads(8, 1), _two_heads(4, 2, order_activation="softmax")
    distiller = Distiller(*models, outputs="mlm")
    on_probabilities = keras.losses.SparseCategoricalCrossentropy()
    with pytest.raises(ValueError, match="for the output `mlm`"):
        distiller.compile("sgd", [on_probabilities, CROSS_ENTROPY])
    distiller.compile("sgd", [CROSS_ENTROPY, on_probabilities])
    distiller.fit(x, {"mlm": mlm, "order": order}, verbose=0)


def test_weights_by_output(data, oracle, run):
    x, mlm, order = data
    teacher, student = _two_heads(8, 1), _two_heads(4, 2)
    weights = {
        "mlm": np.linspace(0, 1, 6).astype("float32"),
        "order": np.ones(6, "float32"),
    }
    distiller = Distiller(teacher, student, outputs="mlm")
    distiller.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = distiller.train_on_batch(
        x, {"mlm": mlm, "order": order}, weights, return_dict=True
    )
    values = oracle.soft(run(teacher, x)["mlm"], run(student, x)["mlm"])
    np.testing.assert_allclose(
        logs["distill_loss"], (values * weights["mlm"]).mean(), rtol=1e-5
    )


def test_an_output_that_is_not_distilled_may_be_a_softmax(data):
    x, mlm, order = data
    models = [_two_heads(8, 1, order_activation="softmax") for _ in range(2)]
    with pytest.raises(ValueError, match="must return logits"):
        Distiller(*models)
    distiller = Distiller(*models, outputs="mlm")
    distiller.compile(
        "sgd",
        {"mlm": CROSS_ENTROPY, "order": "sparse_categorical_crossentropy"},
    )
    distiller.fit(x, {"mlm": mlm, "order": order}, verbose=0)


def test_a_teacher_may_return_more_than_the_student(data):
    x, mlm, _ = data
    teacher, student = _two_heads(8, 1), _two_heads(4, 2)
    student = keras.Model(student.inputs, {"mlm": student.output["mlm"]})
    distiller = Distiller(teacher, student)
    distiller.compile("sgd", {"mlm": CROSS_ENTROPY})
    distiller.fit(x, {"mlm": mlm}, verbose=0)
    with pytest.raises(ValueError, match="Received: no `order`"):
        Distiller(student, _two_heads(4, 3))


@pytest.mark.parametrize("outputs", ["sop", ["mlm", "sop"], [], ()])
def test_unknown_outputs_are_named(outputs):
    with pytest.raises(ValueError, match=r"has \['mlm', 'order'\]"):
        Distiller(_two_heads(8, 1), _two_heads(4, 2), outputs=outputs)


def test_logits_distillation_replaces_the_loss(classifier, batch, oracle, run):
    x, y = batch
    teacher, student = classifier(6, seed=7), classifier()
    loss = keras.distillation.LogitsDistillation(
        temperature=3.0, loss=keras.losses.KLDivergence()
    )
    distiller = Distiller(teacher, student, distillation=loss)
    distiller.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    logits = run(student, x)
    distill = oracle.soft(run(teacher, x), logits, 3.0).mean()
    np.testing.assert_allclose(logs["distill_loss"], distill, rtol=1e-4)
    main = oracle.cross_entropy(y, logits).mean()
    np.testing.assert_allclose(
        logs["loss"], 0.25 * main + 0.75 * distill, rtol=1e-4
    )


class WeightedGap(keras.distillation.DistillationLoss):
    """Squared differences of logits; takes `sample_weight`."""

    def compute_loss(self, teacher_outputs, student_outputs, sample_weight):
        gap = ops.mean((teacher_outputs - student_outputs) ** 2, axis=-1)
        return ops.mean(gap * sample_weight)


def test_a_replacement_receives_sample_weight_and_the_chosen_output(data, run):
    x, mlm, order = data
    teacher, student = _two_heads(8, 1), _two_heads(4, 2)
    weight = np.linspace(0, 1, 6).astype("float32")
    distiller = Distiller(
        teacher, student, distillation=WeightedGap(), outputs="mlm"
    )
    distiller.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = distiller.train_on_batch(
        x, {"mlm": mlm, "order": order}, weight, return_dict=True
    )
    gap = (run(teacher, x)["mlm"] - run(student, x)["mlm"]) ** 2
    np.testing.assert_allclose(
        logs["distill_loss"], (gap.mean(-1) * weight).mean(), rtol=1e-5
    )


def test_a_replacement_that_ignores_weights_is_said(classifier, batch, caplog):
    x, y = batch
    distiller = Distiller(
        classifier(),
        classifier(),
        distillation=keras.distillation.FeatureDistillation(loss="mse"),
    )
    distiller.compile("sgd", CROSS_ENTROPY)
    with caplog.at_level("WARNING", logger="absl"):
        distiller.train_on_batch(x, y)
        assert not caplog.messages
        distiller.train_on_batch(x, y, np.ones(len(x), "float32"))
        distiller.train_on_batch(x, y, np.ones(len(x), "float32"))
    assert len(caplog.messages) == 1
    assert "FeatureDistillation.compute_loss()" in caplog.messages[0]


def test_a_replacement_must_return_a_scalar(classifier, batch):
    class Vector(keras.distillation.DistillationLoss):
        def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
            return ops.mean(student_outputs, axis=-1)

    distiller = Distiller(classifier(), classifier(), distillation=Vector())
    distiller.compile("sgd", CROSS_ENTROPY, run_eagerly=True)
    with pytest.raises(ValueError, match="must return a scalar"):
        distiller.train_on_batch(*batch)
