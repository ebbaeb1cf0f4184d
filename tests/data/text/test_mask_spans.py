"""Which tokens are masked, against loops over the words."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.data.text.mask_spans import (
    _cut_into_spans,
    mask_spans,
    num_masked,
)


def sequences(rng, tokenizer, batch, length):
    """Words of up to three pieces between special tokens, and padding."""
    ids = rng.choice(tokenizer.ordinary_ids, (batch, length))
    special = rng.random((batch, length)) < 0.05
    real = rng.integers(length // 2, length + 1, (batch, 1))
    special |= np.arange(length) >= real
    ids[special] = tokenizer.sep_id
    return ids.astype("int32"), ~special


def words_of(ids, maskable, tokenizer):
    """The places of each word, in order; special tokens separate them."""
    words = []
    for place, token in enumerate(ids):
        if not maskable[place]:
            words.append(None)
        elif not words or words[-1] is None or tokenizer.starts_word[token]:
            words.append([place])
        else:
            words[-1].append(place)
    return words


def mask(ids, maskable, tokenizer, seed=(0, 0)):
    masked = mask_spans(
        tf.constant(ids), tf.constant(maskable), tokenizer, tf.constant(seed)
    )
    return [np.asarray(part) for part in masked]


@given(
    seed=st.integers(0, 2**31 - 1),
    length=st.integers(3, 90),
    batch=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_whole_words_within_the_budget(tokenizer, seed, length, batch):
    rng = np.random.default_rng(seed)
    ids, maskable = sequences(rng, tokenizer, batch, length)
    hidden, positions, labels, weights = mask(
        ids, maskable, tokenizer, (seed, 1)
    )
    assert positions.shape == (batch, num_masked(length))
    for row in range(batch):
        count = int(weights[row].sum())
        chosen = positions[row, :count]
        assert np.all(weights[row] == (np.arange(weights.shape[1]) < count))
        assert np.all(np.diff(chosen) > 0)
        assert maskable[row, chosen].all()
        np.testing.assert_array_equal(labels[row, :count], ids[row, chosen])
        assert not labels[row, count:].any()
        assert not positions[row, count:].any()
        untouched = np.setdiff1d(np.arange(length), chosen)
        np.testing.assert_array_equal(
            hidden[row, untouched], ids[row, untouched]
        )
        budget = round(0.15 * maskable[row].sum())
        assert count <= budget
        words = words_of(ids[row], maskable[row], tokenizer)
        sizes = []
        for word in filter(None, words):
            assert len(set(np.isin(word, chosen))) == 1, "half a word"
            if word[0] not in chosen:
                sizes.append(len(word))
        # Spans may be three words, so only short ones are sure to fit in.
        if sizes and max(sizes) * 3 <= budget - count:
            raise AssertionError(f"{budget - count} of {budget} left over")


def test_share_spans_and_replacements(tokenizer):
    """The frequencies that the papers give, on many words of one piece."""
    words = tokenizer.ordinary_ids[
        tokenizer.starts_word[tokenizer.ordinary_ids]
    ]
    ids = np.random.default_rng(0).choice(words, (400, 128)).astype("int32")
    maskable = np.ones(ids.shape, bool)
    hidden, positions, _, weights = mask(ids, maskable, tokenizer)
    assert weights.sum() == 400 * round(0.15 * 128)
    chosen = np.zeros(ids.shape, bool)
    for row in range(400):
        chosen[row, positions[row, weights[row] > 0]] = True
    masks = np.mean(hidden[chosen] == tokenizer.mask_id)
    kept = np.mean(hidden[chosen] == ids[chosen])
    # Of the random tokens some are the right one.
    lucky = 0.1 / len(tokenizer.ordinary_ids)
    assert abs(masks - 0.8) < 0.02
    assert abs(kept - 0.1 - lucky) < 0.015
    others = hidden[chosen & (hidden != tokenizer.mask_id) & (hidden != ids)]
    assert set(others) == set(tokenizer.ordinary_ids)
    # Runs of chosen words: longer than three where two spans meet.
    runs = np.diff(
        np.flatnonzero(np.diff(np.pad(chosen, ((0, 0), (1, 1))).ravel()))
    )[::2]
    share = [np.mean(runs == words) for words in (1, 2, 3)]
    assert share[0] > share[1] > share[2] > 0.08
    assert np.mean(runs > 3) < 0.2


def test_spans_have_the_odds_of_the_paper(tokenizer, rng):
    words = np.flatnonzero(tokenizer.starts_word & tokenizer.is_text)
    ids = rng.choice(words, (400, 128)).astype("int32")
    spans = np.asarray(
        _cut_into_spans(
            tf.constant(ids), tf.ones(ids.shape, "bool"), tokenizer, (1, 2)
        )
    )
    # The last one of a row is cut off.
    sizes = np.concatenate([np.bincount(row)[:-1] for row in spans])
    share = np.bincount(sizes, minlength=4)[1:] / len(sizes)
    np.testing.assert_allclose(share, [6 / 11, 3 / 11, 2 / 11], atol=0.012)


def test_long_words_are_guessed_too(tokenizer, rng):
    first = np.flatnonzero(tokenizer.starts_word & tokenizer.is_text)
    more = np.flatnonzero(~tokenizer.starts_word)
    ids, lengths = np.zeros((2, 400, 128), "int32")
    for row in range(400):
        place = 0
        while place < 128:
            pieces = min(rng.integers(1, 5), 128 - place)
            word = [rng.choice(first), *rng.choice(more, pieces - 1)]
            ids[row, place : place + pieces] = word
            lengths[row, place : place + pieces] = pieces
            place += pieces
    _, positions, _, weights = mask(ids, np.ones(ids.shape, bool), tokenizer)
    rows = np.nonzero(weights > 0)[0]
    chosen = lengths[rows, positions[weights > 0]]
    rates = [
        np.sum(chosen == pieces) / np.sum(lengths == pieces)
        for pieces in (1, 2, 3, 4)
    ]
    # What is left of the budget at the end has room for short ones only.
    assert rates == sorted(rates, reverse=True)
    assert min(rates) > 0.11
    assert max(rates) < 0.22


def test_a_batch_is_a_function_of_its_seed(tokenizer, rng):
    ids, maskable = sequences(rng, tokenizer, 4, 50)
    first = mask(ids, maskable, tokenizer, (3, 4))
    again = mask(ids, maskable, tokenizer, (3, 4))
    other = mask(ids, maskable, tokenizer, (3, 5))
    for found, expected in zip(again, first, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(other[1], first[1])
