"""Which tokens a masked language model has to guess."""

import math
from typing import NamedTuple

import tensorflow as tf

MASKED_SHARE = 0.15
MASK_TOKEN_SHARE, RANDOM_TOKEN_SHARE = 0.8, 0.1
MAX_WORDS = 3
# Rounds of filling what is left of the budget with spans that still fit.
_ROUNDS = 4


class MaskedTokens(NamedTuple):
    """A batch of sequences with words missing.

    Attributes:
        token_ids: int32 of shape `(B, T)`. The sequences with masks in them.
        positions: int32 of shape `(B, P)`, `P = num_masked(T)`. Where tokens
            were chosen, in their order; 0 where there are fewer.
        ids: int32 of shape `(B, P)`. The tokens that were there.
        weights: float32 of shape `(B, P)`. 0 where there are fewer.
    """

    token_ids: tf.Tensor
    positions: tf.Tensor
    ids: tf.Tensor
    weights: tf.Tensor


def num_masked(sequence_length):
    """Most tokens that are chosen of a sequence."""
    return max(1, math.ceil(MASKED_SHARE * sequence_length))


def mask_spans(token_ids, maskable, tokenizer, seed):
    """Choose whole words, up to three in a row, and hide most of them.

    A sequence is cut into spans of one, two or three words, with probabilities
    as 1 to 1/2 to 1/3, and spans are drawn until 15 % of its tokens are chosen
    or no other span fits. Of the chosen tokens 80 % become the mask token,
    10 % a random one and 10 % stay. A pure function of its arguments, so that
    a batch does not depend on what ran before or beside it.

    Args:
        token_ids: int32 of shape `(B, T)`.
        maskable: bool of shape `(B, T)`. False for special tokens, which end a
            span too.
        tokenizer: `TextTokenizer`.
        seed: int tensor of shape `(2,)`.

    Returns:
        `MaskedTokens`.

    References:
        - [ALBERT](https://arxiv.org/abs/1909.11942), section 4.1
        - [BERT](https://arxiv.org/abs/1810.04805), section 3.1
    """
    length = token_ids.shape[1]
    seeds = tf.random.experimental.stateless_split(seed, 4)
    spans = _cut_into_spans(token_ids, maskable, tokenizer, seeds[0])
    chosen = _choose_spans(spans, maskable, seeds[1])

    places = tf.range(length)[None]
    order = tf.sort(tf.where(chosen, places, length + places))
    positions = order[:, : num_masked(length)]
    found = positions < length
    positions = tf.where(found, positions, 0)
    ids = tf.gather(token_ids, positions, batch_dims=1)

    draw = tf.random.stateless_uniform(tf.shape(token_ids), seeds[2])
    ordinary = tf.constant(tokenizer.ordinary_ids)
    others = tf.gather(
        ordinary,
        tf.random.stateless_uniform(
            tf.shape(token_ids), seeds[3], 0, len(ordinary), "int32"
        ),
    )
    hidden = tf.where(
        draw < MASK_TOKEN_SHARE,
        tokenizer.mask_id,
        tf.where(
            draw < MASK_TOKEN_SHARE + RANDOM_TOKEN_SHARE, others, token_ids
        ),
    )
    return MaskedTokens(
        token_ids=tf.where(chosen, hidden, token_ids),
        positions=positions,
        ids=tf.where(found, ids, 0),
        weights=tf.cast(found, "float32"),
    )


def _cut_into_spans(token_ids, maskable, tokenizer, seed):
    """The number of the span that each token belongs to, `(B, T)`."""
    batch, length = tf.shape(token_ids)[0], token_ids.shape[1]
    after_special = _differs_from_before(tf.cast(maskable, "int32"))
    new_word = tf.gather(tf.constant(tokenizer.starts_word), token_ids)
    word = _count(new_word | ~maskable | after_special)
    odds = [[-math.log(words) for words in range(1, MAX_WORDS + 1)]]
    words = 1 + tf.reshape(
        tf.random.stateless_categorical(odds, batch * length, seed, "int32"),
        (batch, length),
    )
    span = tf.searchsorted(tf.cumsum(words, axis=1), word, side="right")
    return _count(_differs_from_before(span) | ~maskable | after_special)


def _choose_spans(spans, maskable, seed):
    """The chosen tokens, bool `(B, T)`."""
    batch, length = tf.shape(spans)[0], spans.shape[1]
    counts = tf.cast(maskable, "int32")
    rows = tf.range(batch)[:, None] * length
    sizes = tf.math.unsorted_segment_sum(counts, rows + spans, batch * length)
    sizes = tf.reshape(sizes, (batch, length))
    budget = tf.reduce_sum(counts, axis=1, keepdims=True)
    budget = tf.cast(
        tf.round(MASKED_SHARE * tf.cast(budget, "float32")), "int32"
    )
    draw = tf.random.stateless_uniform(tf.shape(spans), seed)
    order = tf.argsort(tf.where(sizes > 0, draw, 2.0))
    sizes = tf.gather(sizes, order, batch_dims=1)
    taken = tf.zeros_like(sizes)
    for _ in range(_ROUNDS):
        left = budget - tf.reduce_sum(taken * sizes, axis=1, keepdims=True)
        fits = (1 - taken) * tf.cast((sizes > 0) & (sizes <= left), "int32")
        total = tf.cumsum(fits * sizes, axis=1)
        taken += fits * tf.cast(total <= left, "int32")
    taken = tf.gather(taken, tf.argsort(order), batch_dims=1)
    return (tf.gather(taken, spans, batch_dims=1) > 0) & maskable


def _differs_from_before(values):
    same_shape = tf.ones_like(values[:, :1], "bool")
    return tf.concat([same_shape, values[:, 1:] != values[:, :-1]], axis=1)


def _count(starts):
    return tf.cumsum(tf.cast(starts, "int32"), axis=1) - 1
