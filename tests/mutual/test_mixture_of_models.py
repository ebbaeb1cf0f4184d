"""A mixture of whole models, against loops over experts and examples."""

import itertools
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from ones_keras.layers.mutual_distillation_loss import mutual_distillation_loss
from ones_keras.mutual import MixtureOfModels
from ones_keras.mutual.mutual_divergence import mutual_divergence
from tests.gradients import to_numpy

DIM, CLASSES = 5, 3


def linear(units):
    return keras.Sequential([keras.Input((DIM,)), keras.layers.Dense(units)])


def two_outputs():
    inputs = keras.Input((DIM,))
    return keras.Model(inputs, [keras.layers.Dense(2)(inputs), inputs])


def mixture(num_experts=3, **options):
    experts = [linear(CLASSES) for _ in range(num_experts)]
    return MixtureOfModels(experts, linear(num_experts), **options)


def numpy_mixture(model, x):
    """Outputs, and each example's experts, of linear models."""
    kernel, bias = (to_numpy(weight) for weight in model.gate.weights)
    probabilities = special.softmax(x @ kernel + bias, axis=-1)
    count = model.top_k or len(model.experts)
    outputs, having = [], []
    for example, gates in zip(x, probabilities, strict=True):
        chosen = np.argsort(-gates)[:count]
        answers = {
            i: example @ to_numpy(model.experts[i].weights[0])
            + to_numpy(model.experts[i].weights[1])
            for i in chosen
        }
        outputs.append(
            sum(gates[i] * answers[i] for i in chosen) / gates[chosen].sum()
        )
        having.append([answers[i] for i in chosen])
    return np.array(outputs), having


@pytest.mark.parametrize("top_k", [None, 2, 3])
def test_output_equals_loops(top_k, rng):
    model = mixture(top_k=top_k)
    x = rng.normal(size=(7, DIM)).astype("float32")
    expected, _ = numpy_mixture(model, x)
    np.testing.assert_allclose(to_numpy(model(x)), expected, atol=1e-5)
    np.testing.assert_allclose(
        model.predict(x, batch_size=4, verbose=0), expected, atol=1e-5
    )


@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize("distance", ["squared", "kl"])
def test_losses_equal_loops(top_k, distance, rng):
    model = mixture(
        4,
        top_k=top_k,
        distance=distance,
        mutual_distillation=0.3,
        load_balance=0.0,
    )
    x = rng.normal(size=(7, DIM)).astype("float32")
    model(x, training=True)
    (found,) = model.losses
    distances = []
    for answers in numpy_mixture(model, x)[1]:
        for one, other in itertools.permutations(answers, 2):
            if distance == "squared":
                distances.append(np.mean((one - other) ** 2))
            else:
                divergence = special.rel_entr(
                    special.softmax(one), special.softmax(other)
                )
                distances.append(divergence.sum())
    expected = 0.3 * np.mean(distances)
    assert float(to_numpy(found)) == pytest.approx(expected, rel=1e-5)
    model(x)
    assert model.losses == []


def test_load_of_a_sparse_gate(rng):
    """Two of two experts get everything: the loss of a balanced router."""
    x = rng.normal(size=(7, DIM)).astype("float32")
    model = mixture(2, top_k=2, load_balance=0.5)
    model(x, training=True)
    (found,) = model.losses
    assert float(to_numpy(found)) == pytest.approx(0.5)
    dense = mixture(2, load_balance=0.5)
    dense(x, training=True)
    assert dense.losses == []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.0, 1.0, 30.0]))
def test_distances_of_any_outputs(seed, scale):
    """Never negative, 0 for experts that agree, blind to who is who."""
    rng = np.random.default_rng(seed)
    experts, examples = rng.integers(2, 5), rng.integers(1, 6)
    outputs = scale * rng.normal(size=(experts, examples, CLASSES))
    computed = rng.random((experts, examples)) < 0.7
    outputs = np.where(computed[..., None], outputs, 0).astype("float32")
    order = rng.permutation(experts)
    for distance in (mutual_distillation_loss, mutual_divergence):
        found = float(to_numpy(distance(outputs, computed)))
        assert found >= -1e-4
        assert found == pytest.approx(
            float(to_numpy(distance(outputs[order], computed[order]))),
            abs=1e-3,
        )
        alike = np.where(computed[..., None], outputs[:1] + 1, 0)
        assert float(to_numpy(distance(alike, computed))) == pytest.approx(
            0, abs=1e-3
        )


def test_it_trains_and_is_saved(tmp_path, rng):
    """Experts that teach each other are more alike than others."""
    x = rng.normal(size=(64, DIM)).astype("float32")
    labels = rng.integers(0, CLASSES, 64)
    similar = []
    for weight in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        model = mixture(2, mutual_distillation=weight)
        assert model.count_params() == 2 * (DIM + 1) * CLASSES + (DIM + 1) * 2
        model.compile(
            keras.optimizers.Adam(0.05),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(x, labels, epochs=20, verbose=0)
        one, other = to_numpy(model.expert_outputs(x))
        similar.append(np.mean((one - other) ** 2))
    assert similar[1] < similar[0] / 10
    model.save(tmp_path / "mixture.keras")
    again = keras.models.load_model(tmp_path / "mixture.keras")
    assert again.mutual_distillation == 10.0
    np.testing.assert_allclose(
        to_numpy(again(x)), to_numpy(model(x)), atol=1e-6
    )


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def ending_in(activation):
    return keras.Sequential(
        [keras.Input((DIM,)), keras.layers.Dense(2, activation=activation)]
    )


def test_bad_arguments():
    experts, gate = [linear(CLASSES), linear(CLASSES)], linear(2)
    for options, message in (
        ({"experts": experts[:1]}, "two or more different models"),
        ({"experts": experts[:1] * 2}, "two or more different models"),
        ({"experts": [linear(2), linear(3)]}, r"\(None, 2\), \(None, 3\)"),
        ({"gate": linear(3)}, r"shape \(None, 3\)"),
        ({"gate": ending_in("softmax")}, "`gate` must return logits"),
        ({"experts": [linear(2), ending_in("sigmoid")]}, "`experts` must ret"),
        ({"top_k": 3}, "Received: `top_k=3`, 2 experts"),
        ({"top_k": 1}, "Received: `top_k=1`, 2 experts"),
        ({"gate": Subclassed()}, "built functional or Sequential model"),
        ({"distance": "cosine"}, "Received: `distance='cosine'`"),
        ({"load_balance": -1.0}, "Received: `load_balance=-1.0`"),
        ({"mutual_distillation": math.nan}, "`mutual_distillation=nan`"),
        ({"mutual_distillation": None}, "`mutual_distillation=None`"),
        ({"top_k": 1.5}, "Received: `top_k=1.5`"),
        ({"experts": [two_outputs(), two_outputs()]}, "return logits of one"),
    ):
        with pytest.raises(ValueError, match=message):
            MixtureOfModels(**({"experts": experts, "gate": gate} | options))
