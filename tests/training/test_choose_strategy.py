import importlib
import json

import keras
import pytest

from ones_keras.training import choose_strategy

BACKEND = keras.backend.backend()
OTHERS = {
    "tensorflow": ("data_parallel", "expert_parallel"),
    "jax": ("mirrored", "tpu"),
    "torch": ("mirrored", "tpu", "data_parallel", "expert_parallel"),
}


@pytest.mark.parametrize("name", ["auto", "none"])
def test_one_device_trains_the_model_itself(name):
    strategy = choose_strategy(name)
    assert (strategy.name, strategy.num_devices) == ("none", 1)
    assert strategy.part == (0, 1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with strategy.spread(model) as spread:
        assert spread is model


def test_hosts_that_would_not_train_together(monkeypatch):
    # Not the function of that name.
    module = importlib.import_module(choose_strategy.__module__)
    monkeypatch.setattr(module, "num_hosts", lambda: 2)
    with pytest.raises(ValueError, match="Each of 2 hosts"):
        choose_strategy("none")


@pytest.mark.parametrize("name", [*OTHERS[BACKEND], "multi_worker"])
def test_strategies_of_other_backends(name):
    with pytest.raises(ValueError, match=f"Received: `strategy='{name}'`"):
        choose_strategy(name)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's TPUs")
@pytest.mark.parametrize("name", ["", "local", "no-such-host"])
def test_no_tpu(name):
    with pytest.raises(ValueError, match=f"Received: `tpu='{name}'`"):
        choose_strategy("tpu", tpu=name)


def test_a_tpu_for_another_strategy():
    with pytest.raises(ValueError, match="`tpu` names a TPU for TensorFlow"):
        choose_strategy("none", tpu="local")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_several_workers(monkeypatch):
    cluster = {"worker": ["one:1", "two:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
    with pytest.raises(ValueError, match=r"on JAX only.*one:1"):
        choose_strategy()
