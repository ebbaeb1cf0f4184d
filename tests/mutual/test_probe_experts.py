"""Expert probing on mixtures whose experts are known."""

import keras
import numpy as np
import pytest

from ones_keras.mutual import MixtureOfModels, linear_cka, probe_experts


class Given(keras.layers.Layer):
    """Some of the inputs, as they are."""

    def __init__(self, start, count, **kwargs):
        super().__init__(**kwargs)
        self.start, self.count = start, count

    def call(self, inputs):
        return inputs[:, self.start : self.start + self.count]


def given_outputs(start, count):
    return keras.Sequential([keras.Input((6,)), Given(start, count)])


@pytest.fixture
def model():
    """The inputs are what two experts and the gate say."""
    return MixtureOfModels(
        [given_outputs(0, 2), given_outputs(2, 2)], given_outputs(4, 2)
    )


#      first expert, second, gate; label
ROWS = (
    ((9, 0), (0, 1), (1, 0), 0),  # the first one's, right alone and together
    ((0, 1), (9, 0), (1, 0), 0),  # the first one's, wrong; together right
    ((1, 0), (2, 0), (1, 0), 0),  # both are right
    ((1, 0), (2, 0), (0, 3), 1),  # both are wrong, the second one's
)


def test_by_hand(model):
    x = np.array([np.concatenate(row[:3]) for row in ROWS], "float32")
    labels = np.array([row[3] for row in ROWS])
    batches = [(x[:3], labels[:3]), (x[3:], labels[3:])]
    probe = probe_experts(model, batches)
    np.testing.assert_allclose(probe.share, [0.75, 0.25])
    np.testing.assert_allclose(probe.accuracy, [2 / 3, 0.0])
    np.testing.assert_allclose(probe.accuracy_on_all, [0.5, 0.5])
    assert probe.mixture_accuracy == 0.75
    assert probe.own_accuracy == 0.5
    assert probe.oracle_accuracy == 0.75
    assert probe.routing_accuracy == 0.5
    assert probe.chance == 0.5
    assert 0 < probe.similarity < 1
    assert probe.to_dict()["share"] == [0.75, 0.25]


def test_weights_are_examples_given_again(model, rng):
    x = rng.normal(size=(40, 6)).astype("float32")
    labels, weights = rng.integers(0, 2, 40), rng.integers(0, 4, 40)
    found = probe_experts(
        model,
        [(x[:9], labels[:9], weights[:9]), (x[9:], labels[9:], weights[9:])],
    ).to_dict()
    again = probe_experts(
        model, [(np.repeat(x, weights, axis=0), np.repeat(labels, weights))]
    ).to_dict()
    del found["similarity"], again["similarity"]
    for name, value in again.items():
        assert found[name] == pytest.approx(value), name


def test_an_expert_that_nothing_is_given_to(model):
    x = np.array([[1, 0, 1, 0, 5, 0]] * 2, "float32")
    probe = probe_experts(model, [(x, np.zeros(2, int))])
    assert np.isnan(probe.accuracy[1])
    assert np.isnan(probe.routing_accuracy)
    assert probe.to_dict()["accuracy"] == [1.0, None]
    assert probe.to_dict()["similarity"] is None


def test_similarity(rng):
    one, other = rng.normal(size=(2, 500, 4))
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert linear_cka(one, 3 * one @ rotation + 7) == pytest.approx(1)
    assert linear_cka(one, other) < 0.05
    same, still = np.full((20, 3), 0.1), np.full((20, 3), 0.7)
    assert np.isnan(linear_cka(same, still))
    assert np.isnan(linear_cka(same, one[:20]))
    with pytest.raises(ValueError, match=r"shapes \(500, 4\), \(3, 4\)"):
        linear_cka(one, one[:3])


def test_bad_input(model):
    with pytest.raises(ValueError, match="`model` must be a `MixtureOfModels`"):
        probe_experts(given_outputs(0, 2), [])
    x = np.ones((3, 6), "float32")
    with pytest.raises(ValueError, match=r"labels of shape \(3, 1\)"):
        probe_experts(model, [(x, np.zeros((3, 1)))])
    with pytest.raises(ValueError, match="dtype float64"):
        probe_experts(model, [(x, np.zeros(3))])
    with pytest.raises(ValueError, match=r"from 0 to 1, .* Received: 0 to 2"):
        probe_experts(model, [(x, np.arange(3))])
    labels = np.zeros(3, int)
    for weights in (np.ones(2), -np.ones(3), np.full(3, np.nan)):
        with pytest.raises(ValueError, match=r"Weights .* of shape \(3,\)"):
            probe_experts(model, [(x, labels, weights)])
    with pytest.raises(ValueError, match="must have examples"):
        probe_experts(model, [(x[:0], labels[:0])])
    with pytest.raises(ValueError, match="must have examples"):
        probe_experts(model, [])
