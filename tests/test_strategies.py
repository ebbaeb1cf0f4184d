"""Teacher and student learn on several devices what they learn on one."""

import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest

from tests import distributed_learning

BACKEND = keras.backend.backend()
ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Script:
    """A process of a script beside this file, which prints JSON.

    Its output goes to files: one that waits for its pipe to be read would be
    waited for by the other in vain.
    """

    def __init__(self, name, *arguments):
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.{name}", *map(str, arguments)],
            stdout=self._output,
            stderr=self._errors,
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": BACKEND},
        )

    def result(self):
        try:
            status = self._process.wait(timeout=300)
        finally:
            self._process.kill()
        for file in (self._output, self._errors):
            file.seek(0)
        with self._output, self._errors:
            assert status == 0, self._errors.read()
            return json.loads(self._output.read().splitlines()[-1])


learning = functools.partial(Script, "distributed_learning")


@functools.cache
def alone():
    return distributed_learning.learn()


def compare(found, expected):
    for model, alike in zip(found, expected, strict=True):
        assert model["history"].keys() == alike["history"].keys()
        for name, values in alike["history"].items():
            np.testing.assert_allclose(
                model["history"][name], values, rtol=1e-4, err_msg=name
            )
        for one, other in zip(model["weights"], alike["weights"], strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_mirrored():
    found = learning("mirrored", "online,cached", 2).result()
    teacher, student = alone()
    compare(found, [teacher, student, student])


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is of JAX")
@pytest.mark.parametrize(
    ("strategy", "teacher"),
    [("data_parallel", "cached"), ("expert_parallel", "online")],
)
def test_eight_devices(strategy, teacher):
    compare(learning(strategy, teacher, 8).result(), alone())


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is of JAX")
def test_two_processes(unused_port):
    """Each has all experts, on its two devices."""
    processes = [
        learning("expert_parallel", "online", 4, unused_port, number)
        for number in (0, 1)
    ]
    for found in [process.result() for process in processes]:
        compare(found, alone())


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is of JAX")
def test_tokens_stay_on_their_device():
    """What is sent are sums: of gradients, of the loads, of probabilities.

    XLA would gather the tokens of the whole batch on every device. Padding,
    of which one device has more than another, is left out of the sums.
    """
    found = Script("layer_on_devices").result()
    assert found.pop("difference") < 1e-4
    assert found.pop("all-reduce") > 0
    assert not any(found.values())


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is of JAX")
def test_experts_and_batch_on_one_axis():
    from ones_keras.layers.dispatch.mesh import Mesh

    with pytest.raises(ValueError, match="'batch' for both"):
        Mesh(None, "batch", "batch", num_experts=4)
