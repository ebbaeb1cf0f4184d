"""A mixture on two replicas learns what it learns on one device.

Logical devices are made before TensorFlow starts, hence the subprocess: this
file run as a script prints the losses and weights of both, of each distance.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)
def test_mirrored_replicas_learn_what_one_device_learns():
    result = subprocess.run(
        [sys.executable, "-m", "tests.mutual.test_mixture_mirrored"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found.keys() == {"squared", "kl"}
    for mirrored, alone in found.values():
        np.testing.assert_allclose(mirrored["loss"], alone["loss"], rtol=1e-5)
        for one, other in zip(
            mirrored["weights"], alone["weights"], strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-5)


def _expert(sparse):
    """Of sequences with padding, with experts that teach each other or not."""
    from ones_keras.layers import MoEFeedForward

    inputs = keras.Input((5, 4))
    x = keras.layers.Masking()(inputs)
    if sparse:
        x = MoEFeedForward(
            3,
            6,
            capacity_factor=None,
            router_noise=0,
            load_balance=0.5,
            mutual_distillation=0.7,
        )(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def _learn(scope, distance):
    import tensorflow as tf

    from ones_keras.mutual import MixtureOfModels

    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 5, 4)).astype("float32")
    # The first replica has more padding than the second.
    lengths = np.tile([1, 1, 2, 2, 5, 4, 5, 3], 2)
    x[np.arange(5) >= lengths[:, None]] = 0
    batches = tf.data.Dataset.from_tensor_slices((x, np.arange(16) % 3))
    with scope:
        keras.utils.set_random_seed(0)
        experts = [_expert(False), _expert(True), _expert(False)]
        gate = keras.Sequential(
            [keras.Input((5, 4)), keras.layers.Flatten(), keras.layers.Dense(3)]
        )
        model = MixtureOfModels(
            experts,
            gate,
            top_k=2,
            mutual_distillation=0.3,
            distance=distance,
            load_balance=0.5,
        )
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        history = model.fit(
            batches.batch(8), epochs=2, shuffle=False, verbose=0
        ).history
    return {
        "loss": history["loss"],
        "weights": [weight.tolist() for weight in model.get_weights()],
    }


if __name__ == "__main__":
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    runs = {
        distance: [
            _learn(scope, distance)
            for scope in (strategy.scope(), contextlib.nullcontext())
        ]
        for distance in ("squared", "kl")
    }
    print(json.dumps(runs))
