"""Labelled sentences, or pairs of them, as batches for a classifier."""

import dataclasses

import keras_hub
import numpy as np
import tensorflow as tf

from ones_keras.data.epoch_order import epoch_order
from ones_keras.data.text.text_tokenizer import TextTokenizer
from ones_keras.data.untuned import untuned
from ones_keras.validation import check_positive_int


@dataclasses.dataclass(frozen=True, eq=False)
class TextExamples:
    """Labelled texts, tokenised as they are needed.

    Every batch is `(x, labels)`, `x` a dict of int32 `token_ids`,
    `segment_ids` and `padding_mask` of shape `(B, sequence_length)`:
    `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`, the longer one cut
    where they are too long.

    Args:
        first: list of strings.
        second: list of strings, or `None`.
        labels: array of shape `(n,)`.
        tokenizer: `TextTokenizer`.
        sequence_length: int. Tokens, special ones included.

    Raises:
        ValueError: No texts, columns of different lengths, or a length that
            leaves no place for text.

    Example:

    ```python
    examples = TextExamples(["a text"], None, np.array([1]), tokenizer, 16)
    x, labels = next(iter(examples.batches(batch_size=1)))
    ```
    """

    first: list
    second: list | None
    labels: np.ndarray
    tokenizer: TextTokenizer
    sequence_length: int

    def __post_init__(self):
        check_positive_int("sequence_length", self.sequence_length)
        special = 2 if self.second is None else 3
        if self.sequence_length <= special:
            raise ValueError(
                f"`sequence_length` must be more than the {special} special "
                "tokens. Received: "
                f"`sequence_length={self.sequence_length}`."
            )

        columns = [self.first, self.second, self.labels]
        lengths = [len(column) for column in columns if column is not None]
        if not min(lengths) or len(set(lengths)) > 1:
            raise ValueError(
                "`first`, `second` if it is given, and `labels` must be as "
                f"many as each other, and some. Received: {lengths}."
            )

    def __len__(self):
        return len(self.labels)

    def training_batches(self, batch_size, seed, start_step=0):
        """Returns endless shuffled batches; number n is that of (seed, n)."""
        check_positive_int("batch_size", batch_size)
        batch = self._batch_of()

        def shuffled(step):
            positions = step * batch_size + tf.range(batch_size, dtype="int64")
            return batch(epoch_order(positions, seed, len(self)))

        steps = tf.data.Dataset.counter(start_step)
        batches = steps.map(shuffled, num_parallel_calls=tf.data.AUTOTUNE)
        return untuned(batches.prefetch(2))

    def batches(self, batch_size):
        """Returns the batches once, in their order."""
        check_positive_int("batch_size", batch_size)
        indices = tf.data.Dataset.range(len(self)).batch(batch_size)
        batches = indices.map(
            self._batch_of(), num_parallel_calls=tf.data.AUTOTUNE
        )
        return untuned(batches.prefetch(2))

    def _batch_of(self):
        with tf.device("/cpu:0"):
            texts = [tf.constant(self.first)]
            if self.second is not None:
                texts.append(tf.constant(self.second))
            labels = tf.constant(self.labels)
        packer = keras_hub.layers.MultiSegmentPacker(
            self.sequence_length,
            start_value=self.tokenizer.cls_id,
            end_value=self.tokenizer.sep_id,
            pad_value=self.tokenizer.pad_id,
        )

        def batch(indices):
            segments = tuple(
                self.tokenizer(tf.gather(part, indices)) for part in texts
            )
            shape = (indices.shape[0], self.sequence_length)
            tokens, segment_ids = (
                tf.ensure_shape(packed, shape) for packed in packer(segments)
            )
            # Of what is behind the last [SEP] nothing is left but padding.
            last = tf.reduce_max(
                tf.where(
                    tokens == self.tokenizer.sep_id,
                    tf.range(self.sequence_length)[None],
                    0,
                ),
                axis=1,
                keepdims=True,
            )
            padding_mask = tf.range(self.sequence_length)[None] <= last
            x = {
                "token_ids": tf.cast(tokens, "int32"),
                "segment_ids": tf.cast(segment_ids, "int32"),
                "padding_mask": tf.cast(padding_mask, "int32"),
            }
            return x, tf.gather(labels, indices)

        return batch
