import importlib

import keras
import numpy as np
import pytest


@pytest.fixture
def optimization(recipes_on_path):
    return importlib.import_module("optimization")


@pytest.mark.parametrize("sign", [1, -1])
def test_keeps_the_best_weights_over_several_fits(optimization, sign):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    keep, kept = optimization.KeepBest("val_score", sign), None
    # NaN is never the best.
    for score in (0.3, 0.6, float("nan"), 0.6, 0.5):
        model.set_weights([w + 1 for w in model.get_weights()])
        if score == 0.6 and kept is None:
            kept = model.get_weights()
        keep.set_model(model)
        keep.on_epoch_end(0, {"val_score": sign * score})
    keep.restore(model)
    assert keep.best == sign * 0.6
    for one, other in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)
