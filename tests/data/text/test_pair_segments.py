"""Packed pairs, against taking them apart again."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.data.text.pair_segments import pair_segments


def pair(ids, starts, tokenizer, seed=(0, 0)):
    found = pair_segments(
        tf.constant(ids), tf.constant(starts), tokenizer, tf.constant(seed)
    )
    return [np.asarray(part) for part in found]


@given(
    seed=st.integers(0, 2**31 - 1),
    width=st.integers(2, 40),
    batch=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_parts_put_together_are_the_text(tokenizer, seed, width, batch):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, width + 1, batch)
    ids = rng.choice(tokenizer.ordinary_ids, (batch, width)).astype("int32")
    ids[np.arange(width) >= lengths[:, None]] = -1
    starts = (rng.random((batch, width)) < 0.2) & (ids >= 0)
    starts[:, 0] = rng.random(batch) < 0.5
    tokens, segments, padding, ordinary, swapped, whole = pair(
        ids, starts, tokenizer, (seed, 0)
    )
    assert tokens.shape == (batch, width + 3)
    for row, length in enumerate(lengths):
        real = tokens[row, : length + 3]
        assert np.all(tokens[row, length + 3 :] == tokenizer.pad_id)
        assert padding[row].sum() == length + 3
        assert real[0] == tokenizer.cls_id
        first_end, second_end = np.flatnonzero(real == tokenizer.sep_id)
        assert second_end == length + 2
        first = real[1:first_end]
        second = real[first_end + 1 : second_end]
        assert len(first)
        assert len(second)
        parts = [second, first] if swapped[row] else [first, second]
        np.testing.assert_array_equal(np.concatenate(parts), ids[row, :length])
        cut = len(parts[0])
        inside = starts[row, 1:length].any()
        assert whole[row] == (starts[row, 0] and inside)
        if inside:
            assert starts[row, cut], "not between sentences"
        expected = np.arange(width + 3) > first_end
        expected &= padding[row] == 1
        np.testing.assert_array_equal(segments[row], expected)
        np.testing.assert_array_equal(
            np.flatnonzero(ordinary[row]),
            np.setdiff1d(np.arange(length + 3), [0, first_end, second_end]),
        )


def test_half_are_swapped_and_every_sentence_is_cut_at(tokenizer):
    ids = np.tile(tokenizer.ordinary_ids[:12], (600, 1)).astype("int32")
    starts = np.zeros(ids.shape, bool)
    starts[:, [0, 3, 7, 10]] = True
    tokens, *_, swapped, _ = pair(ids, starts, tokenizer)
    assert abs(swapped.mean() - 0.5) < 0.06
    first = np.argmax(tokens == tokenizer.sep_id, axis=1) - 1
    cuts = np.where(swapped == 1, 12 - first, first)
    found, counts = np.unique(cuts, return_counts=True)
    assert list(found) == [3, 7, 10]
    assert counts.min() > 160
