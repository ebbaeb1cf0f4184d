"""Two segments of a text, in their order or not."""

from typing import NamedTuple

import tensorflow as tf

# [CLS] first [SEP] second [SEP]
NUM_SPECIAL = 3


class SegmentPairs(NamedTuple):
    """A batch of packed pairs, all of shape `(B, T)` but the labels.

    Attributes:
        token_ids: int32. `[CLS] first [SEP] second [SEP]`, then padding.
        segment_ids: int32. 1 on the second segment and its `[SEP]`.
        padding_mask: int32. 0 on padding.
        ordinary: bool. Neither special nor padding.
        swapped: int32 of shape `(B,)`. 1 where the segments changed places.
        whole: bool of shape `(B,)`. Whether both segments are whole sentences:
            of others the torn ends tell which was first.
    """

    token_ids: tf.Tensor
    segment_ids: tf.Tensor
    padding_mask: tf.Tensor
    ordinary: tf.Tensor
    swapped: tf.Tensor
    whole: tf.Tensor


def pair_segments(token_ids, sentence_starts, tokenizer, seed):
    """Cut texts in two and swap the parts of half of them.

    A text is cut before a random one of its sentences, or anywhere if it has
    only one. A pure function of its arguments.

    Args:
        token_ids: int32 of shape `(B, W)`. Consecutive text of two tokens or
            more, -1 after its end. Text that begins with a sentence and has
            another one must end with a sentence.
        sentence_starts: bool of shape `(B, W)`.
        tokenizer: `TextTokenizer`.
        seed: int tensor of shape `(2,)`.

    Returns:
        `SegmentPairs` of length `T = W + 3`.

    References:
        - [ALBERT](https://arxiv.org/abs/1909.11942), section 3.1
    """
    batch, width = tf.shape(token_ids)[0], token_ids.shape[1]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    places = tf.range(width)[None]
    length = tf.reduce_sum(
        tf.cast(token_ids >= 0, "int32"), axis=1, keepdims=True
    )
    score = tf.random.stateless_uniform((batch, width), seeds[0])
    score += tf.cast(sentence_starts, "float32")
    inside = (places > 0) & (places < length)
    cut = tf.argmax(tf.where(inside, score, -1.0), axis=1, output_type="int32")[
        :, None
    ]
    swapped = tf.random.stateless_uniform((batch, 1), seeds[1], 0, 2, "int32")
    swapped_back = length - cut
    first = tf.where(swapped == 1, swapped_back, cut)

    # Place p of the sequence holds token p - 1 of the text, behind the first
    # [SEP] token p - 2.
    p = tf.range(width + NUM_SPECIAL)[None]
    second = p > first + 1
    text = p - 1 - tf.cast(second, "int32")
    source = tf.where(
        swapped == 1,
        tf.where(text < swapped_back, text + cut, text - swapped_back),
        text,
    )
    source = tf.clip_by_value(source, 0, width - 1)
    inner = tf.gather(token_ids, source, batch_dims=1)
    is_separator = (p == first + 1) | (p == length + 2)
    real = p < length + NUM_SPECIAL
    ordinary = real & (p > 0) & ~is_separator
    packed = tf.where(
        ordinary,
        inner,
        tf.where(is_separator, tokenizer.sep_id, tokenizer.pad_id),
    )
    return SegmentPairs(
        token_ids=tf.where(p == 0, tokenizer.cls_id, packed),
        segment_ids=tf.cast(second & real, "int32"),
        padding_mask=tf.cast(real, "int32"),
        ordinary=ordinary,
        swapped=swapped[:, 0],
        whole=sentence_starts[:, 0]
        & tf.reduce_any(sentence_starts & inside, axis=1),
    )
