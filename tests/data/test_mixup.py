"""Mixup: convex neighbours, Beta weights, reproducible."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ones_keras.data import mixup


def batches(x, y, batch_size):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)


def weights_of(dataset):
    """With one-hot rows the label matrix shows the weights themselves."""
    return np.concatenate([np.diag(y) for _, y in dataset.as_numpy_iterator()])


def one_hot_batches(num_batches, size):
    eye = np.tile(np.eye(size, dtype="float32"), (num_batches, 1))
    return batches(eye[:, None, :, None], eye, size)


def test_images_and_labels_are_mixed_alike(rng):
    x = rng.uniform(0, 255, (6, 4, 4, 1)).astype("float32")
    y = np.eye(6, dtype="float32")
    ((mixed_x, mixed_y),) = mixup(
        batches(x, y, 6), alpha=0.5
    ).as_numpy_iterator()
    for i in range(6):
        w = mixed_y[i, i]
        assert 0 <= w <= 1
        np.testing.assert_allclose(
            mixed_x[i], w * x[i] + (1 - w) * x[i - 1], rtol=1e-4, atol=1e-3
        )
    np.testing.assert_allclose(mixed_y.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 2.0])
def test_weights_are_beta_distributed(alpha):
    weights = weights_of(mixup(one_hot_batches(40, 50), alpha, seed=1))
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_tiny_alpha_stays_finite():
    weights = weights_of(mixup(one_hot_batches(4, 50), alpha=1e-3))
    assert np.isfinite(weights).all()


def test_function_of_seed_and_step():
    whole = weights_of(mixup(one_hot_batches(6, 8), 0.5, seed=3))
    resumed = weights_of(
        mixup(one_hot_batches(6, 8).skip(2), 0.5, seed=3, start_step=2)
    )
    np.testing.assert_array_equal(resumed, whole[16:])
    other = weights_of(mixup(one_hot_batches(6, 8), 0.5, seed=4))
    assert not np.array_equal(other, whole)
    assert len(np.unique(whole)) == len(whole)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(4, "int32"),
        np.zeros(4, "float32"),
        np.zeros((4, 3), "int64"),
    ],
)
def test_labels_that_cannot_be_mixed(labels):
    dataset = batches(np.zeros((4, 2, 2, 1), "float32"), labels, 2)
    with pytest.raises(ValueError, match=labels.dtype.name):
        mixup(dataset, alpha=0.5)


def test_other_bad_input():
    x = np.zeros((4, 2, 2, 1), "float32")
    with pytest.raises(ValueError, match=r"\(images, labels\)"):
        mixup(tf.data.Dataset.from_tensor_slices(x).batch(2), alpha=0.5)
    with pytest.raises(ValueError, match="`alpha=0`"):
        mixup(batches(x, np.zeros((4, 3), "float32"), 2), alpha=0)


def test_feeds_fit_on_this_backend(rng):
    x = rng.normal(size=(16, 3, 3, 1)).astype("float32")
    y = np.eye(4, dtype="float32")[np.arange(16) % 4]
    model = keras.Sequential(
        [keras.Input((3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    model.compile(
        optimizer="sgd",
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(
        mixup(batches(x, y, 8), alpha=0.5), shuffle=False, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
