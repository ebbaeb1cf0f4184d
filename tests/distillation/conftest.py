"""Small models, data, and NumPy oracles for distillation."""

import types

import keras
import numpy as np
import pytest


def _log_softmax(logits):
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def _soft(teacher, student, temperature=1.0):
    """`T^2 KL(teacher || student)` of every position, a loop at a time."""
    p = _log_softmax(np.asarray(teacher, "float64") / temperature)
    q = _log_softmax(np.asarray(student, "float64") / temperature)
    out = np.zeros(p.shape[:-1])
    for index in np.ndindex(out.shape):
        for log_p, log_q in zip(p[index], q[index], strict=True):
            out[index] += np.exp(log_p) * (log_p - log_q)
    return temperature**2 * out


def _cross_entropy(labels, logits):
    log_q = _log_softmax(logits)
    return -np.take_along_axis(log_q, np.asarray(labels)[..., None], -1)[..., 0]


@pytest.fixture
def oracle():
    """Losses per position, in NumPy and float64, from their definitions."""
    return types.SimpleNamespace(
        log_softmax=_log_softmax, soft=_soft, cross_entropy=_cross_entropy
    )


@pytest.fixture
def classifier():
    """Builds a small network that returns three logits for eight numbers."""

    def build(width=4, *, layers=(), seed=0, **dense):
        dense.setdefault(
            "kernel_initializer", keras.initializers.RandomNormal(seed=seed)
        )
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(width, activation="tanh", **dense),
                *layers,
                keras.layers.Dense(
                    3,
                    kernel_initializer=keras.initializers.RandomNormal(
                        stddev=1.0, seed=seed + 1
                    ),
                ),
            ]
        )

    return build


@pytest.fixture
def batch(rng):
    """Twelve inputs of eight numbers with labels among three classes."""
    x = rng.normal(size=(12, 8)).astype("float32")
    return x, rng.integers(0, 3, size=12).astype("int32")


@pytest.fixture
def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def run():
    """Returns a model's outputs in inference mode, in NumPy."""

    def run(model, x):
        return keras.tree.map_structure(
            keras.ops.convert_to_numpy, model(x, training=False)
        )

    return run


@pytest.fixture
def snapshot():
    """Returns copies of everything a model holds."""

    def snapshot(model):
        return [np.array(v.numpy()) for v in model.variables]

    return snapshot
