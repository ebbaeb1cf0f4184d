"""Random shift and horizontal flip of a batch of images."""

import tensorflow as tf


def random_shift_and_flip(images, seed, max_shift):
    """Shifts every image by whole pixels and mirrors half of them.

    The same as padding with `max_shift` pixels of 0, cropping at random and
    flipping at random, in three vectorised operations a batch.

    Args:
        images: float32 tensor of shape `(batch_size, height, width, channels)`.
        seed: integer tensor of shape `(2,)`. The same seed gives the same
            result.
        max_shift: int. Largest shift along either axis, in pixels.

    Returns:
        float32 tensor of the same shape.

    Example:

    ```python
    images = random_shift_and_flip(tf.ones((2, 8, 8, 1)), [0, 1], max_shift=2)
    ```
    """
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform(
        (3, shape[0]),
        seed,
        minval=0,
        maxval=2 * (2 * max_shift + 1),
        dtype="int32",
        alg="philox",
    )
    # The range is a multiple of both 2 and the number of shifts, so that one
    # draw serves either without a bias.
    top, left = draws[0] // 2, draws[1] // 2
    flip = draws[2] % 2 == 1

    margin = [max_shift, max_shift]
    padded = tf.pad(images, [[0, 0], margin, margin, [0, 0]])
    rows = top[:, None] + tf.range(shape[1])
    columns = left[:, None] + tf.range(shape[2])
    columns = tf.where(flip[:, None], columns[:, ::-1], columns)
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    cropped = tf.gather(cropped, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(cropped, images.shape)
