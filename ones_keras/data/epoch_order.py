"""The order of the training examples as a pure function."""

import tensorflow as tf

from ones_keras.data.permuted import permuted


def epoch_order(position, seed, num_examples):
    """Maps positions in an endless stream to shuffled example indices.

    The stream is one epoch after another, each a permutation of its own that
    holds every example once. Nothing is remembered between calls, so a run can
    be taken up at any position, and no buffer is filled, however large the
    set is.

    Args:
        position: int64 tensor of shape `(n,)`. Positions from 0 on.
        seed: int. Another seed gives another order.
        num_examples: int. Size of the training set.

    Returns:
        int64 tensor of shape `(n,)`, in `[0, num_examples)`.

    Example:

    ```python
    indices = epoch_order(tf.range(10, dtype="int64"), 0, num_examples=5)
    ```
    """
    epoch = position // num_examples
    seeds = tf.stack(
        [tf.fill(tf.shape(epoch), tf.cast(seed, "int64")), epoch, 0 * epoch],
        axis=-1,
    )
    return permuted(position % num_examples, num_examples, seeds)
