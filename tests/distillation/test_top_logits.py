import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from ones_keras.distillation.top_logits import TopLogits, dense_logits


@settings(deadline=None, max_examples=20)
@example(491, 3, 25.0, 1.0)  # Of which 3e-6 is left.
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 3, 6]),
    st.floats(0.1, 30),
    st.sampled_from([0.5, 1.0, 4.0]),
)
def test_what_is_kept_of_a_distribution(seed, k, scale, temperature):
    """The top classes as they were, the others alike and the same in sum."""
    rng, classes = np.random.default_rng(seed), 7
    logits = rng.normal(scale=scale, size=(2, 3, classes)).astype("float32")
    top = TopLogits.of(logits, k, temperature)
    found = keras.ops.convert_to_numpy(top.dense(classes))
    assert found.shape == logits.shape
    before, after = (softmax(x / temperature, axis=-1) for x in (logits, found))
    best = np.argsort(-logits, axis=-1)
    kept, others = best[..., :k], best[..., k:]
    np.testing.assert_array_equal(
        np.take_along_axis(found, kept, -1),
        np.take_along_axis(logits, kept, -1),
    )
    after_others = np.take_along_axis(after, others, -1)
    np.testing.assert_allclose(
        after_others.sum(-1),
        np.take_along_axis(before, others, -1).sum(-1),
        atol=2e-6,
    )
    assert np.ptp(after_others, axis=-1) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(after, kept, -1),
        np.take_along_axis(before, kept, -1),
        atol=2e-6,
    )


def test_logits_that_are_alike():
    top = TopLogits.of(np.zeros((2, 5), "float32"), 2, 1.0)
    found = keras.ops.convert_to_numpy(top.dense(5))
    np.testing.assert_allclose(found, np.zeros((2, 5)), atol=1e-6)


def test_of_several_outputs(rng):
    logits = rng.normal(size=(2, 5)).astype("float32")
    outputs = {"a": TopLogits.of(logits, 2, 1.0), "b": logits}
    found = dense_logits(outputs, {"a": logits, "b": logits})
    assert found["a"].shape == (2, 5)
    assert found["b"] is logits
