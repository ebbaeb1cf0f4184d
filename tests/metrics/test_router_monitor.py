"""The routers in the history of `fit`."""

import keras
import numpy as np
import pytest

from ones_keras.layers import MoEFeedForward
from ones_keras.metrics import RouterMonitor, router_statistics


def test_adds_the_routers_to_the_history_of_every_epoch(rng):
    inputs = keras.Input((5, 4))
    moe = MoEFeedForward(3, 6, capacity_factor=0.8, name="ffn")
    model = keras.Model(inputs, moe(inputs))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x = rng.normal(size=(8, 5, 4)).astype("float32")
    expected = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            expected.append(router_statistics(model, x, 4)["ffn"])

    history = model.fit(
        *(x, 9 * x),
        epochs=2,
        callbacks=[RouterMonitor(x, batch_size=4), Look()],
        verbose=0,
    ).history
    assert history["ffn_load"] == [max(seen.load) for seen in expected]
    assert history["ffn_entropy"] == [seen.entropy for seen in expected]
    assert history["ffn_dropped"] == [seen.dropped for seen in expected]
    assert history["ffn_entropy"][0] != history["ffn_entropy"][1]
    # At 0.8 of an even share, a fifth at least has no room.
    assert min(history["ffn_dropped"]) >= 0.2 - 1e-6


def test_a_model_without_experts_is_refused_before_training():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x = np.zeros((4, 2), "float32")
    with pytest.raises(ValueError, match="`RouterMonitor` needs a model"):
        model.fit(x, x, callbacks=[RouterMonitor(x)], verbose=0)
