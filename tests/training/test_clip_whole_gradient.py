import keras
import numpy as np
import pytest

from ones_keras.training import clip_whole_gradient


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_rows_of_an_embedding_are_summed_first(clip):
    """Nine times the same entry: of nine rows the norm is a third."""
    model = keras.Sequential(
        [keras.Input((9,), dtype="int32"), keras.layers.Embedding(2, 1)]
    )
    before = model.get_weights()[0]
    optimizer = keras.optimizers.SGD(1.0, **{clip: 0.1})
    model.compile(clip_whole_gradient(optimizer), lambda y, y_pred: y_pred)
    model.fit(np.ones((1, 9)), np.ones((1, 9, 1)), verbose=0)
    moved = model.get_weights()[0] - before
    np.testing.assert_allclose(moved, [[0.0], [-0.1]], atol=1e-6)
