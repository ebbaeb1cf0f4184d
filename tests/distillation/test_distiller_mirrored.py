"""A Distiller on two devices of one machine learns what it learns on one.

Logical devices are made before TensorFlow starts, hence the subprocess:
this file run as a script prints the logs and weights of both.
"""

import contextlib
import json
import os
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
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    assert result.returncode == 0, result.stderr
    mirrored, alone = json.loads(result.stdout.splitlines()[-1])
    for part in ("history", "evaluation"):
        assert mirrored[part].keys() == alone[part].keys()
        for name, value in alone[part].items():
            np.testing.assert_allclose(mirrored[part][name], value, rtol=1e-5)
    for a, b in zip(mirrored["weights"], alone["weights"], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def _learn(scope):
    import tensorflow as tf

    from ones_keras.distillation import Distiller

    def classifier(width, seed):
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(
                    width,
                    kernel_initializer=keras.initializers.RandomNormal(
                        stddev=1.0, seed=seed
                    ),
                ),
                keras.layers.Dense(
                    3,
                    kernel_initializer=keras.initializers.RandomNormal(
                        stddev=1.0, seed=seed + 1
                    ),
                ),
            ]
        )

    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(16) % 3)).batch(8)
    with scope:
        student = classifier(4, 1)
        distiller = Distiller(classifier(6, 7), student)
        distiller.compile(
            keras.optimizers.Adam(0.05),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        history = distiller.fit(data, epochs=2, shuffle=False, verbose=0)
        evaluation = distiller.evaluate(data, verbose=0, return_dict=True)
    return {
        "history": history.history,
        "evaluation": evaluation,
        "weights": [w.tolist() for w in student.get_weights()],
    }


def _main():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    runs = _learn(strategy.scope()), _learn(contextlib.nullcontext())
    print(json.dumps(runs))


if __name__ == "__main__":
    _main()
