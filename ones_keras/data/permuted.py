"""Permutations as pure functions."""

import tensorflow as tf


def permuted(index, size, seeds):
    """Where entries go in a random order, without remembering that order.

    Args:
        index: int64 tensor of shape `()` or `(n,)`. Entries, in `[0, size)`.
        size: int or int64 tensor. How many there are.
        seeds: int64 tensor of shape `(3,)`, or `(n, 3)`, one order each.

    Returns:
        int64 tensor of the shape of `index`, in `[0, size)`.

    Example:

    ```python
    order = permuted(tf.range(5, dtype="int64"), 5, tf.constant([0, 1, 2]))
    ```
    """
    size = tf.cast(size, "int64")
    # `tf.random.experimental.index_shuffle` fixes four rounds of the cipher.
    # With a million examples they leave a correlation of 0.4 between one index
    # and the next, which matters where the files are sorted by class.
    order = tf.raw_ops.RandomIndexShuffle(
        index=index,
        seed=seeds,
        max_index=tf.maximum(size - 1, 1),  # It wants two entries at least.
        rounds=24,
    )
    order = tf.where(size > 1, order, tf.zeros_like(index))
    # Batches of a size that is known are what compilers want.
    return tf.ensure_shape(order, index.shape)
