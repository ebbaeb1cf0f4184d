"""Random rotation, scale and shift of a batch of images."""

import tensorflow as tf

MAX_ROTATION = 0.35  # radians
MAX_LOG_SCALE = 0.2
MAX_SHIFT = 1.5  # pixels


def random_affine(images, seed):
    """Turns, scales and shifts every image of a batch by its own amounts.

    About the image centre, with the angle uniform in ±0.35 rad, the scale
    `exp(u)` with `u` uniform in ±0.2 and each shift uniform in ±1.5 pixels.
    Bilinear; what comes in from outside the image is 0. One vectorised
    operation for the whole batch.

    Args:
        images: float32 tensor of shape `(batch_size, height, width, channels)`.
        seed: integer tensor of shape `(2,)`. The same seed gives the same
            transforms.

    Returns:
        float32 tensor of the same shape.

    Example:

    ```python
    images = random_affine(tf.ones((2, 8, 8, 1)), seed=[0, 1])
    ```
    """
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform(
        (shape[0], 4), seed, minval=-1.0, maxval=1.0, alg="philox"
    )
    angle = MAX_ROTATION * draws[:, 0]
    scale = tf.exp(MAX_LOG_SCALE * draws[:, 1])
    shift_x, shift_y = MAX_SHIFT * draws[:, 2], MAX_SHIFT * draws[:, 3]

    # A pixel p of the output is read at R(-angle)(p - centre - shift) / scale
    # + centre in the input.
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    centre_y = tf.cast(shape[1] - 1, "float32") / 2.0
    centre_x = tf.cast(shape[2] - 1, "float32") / 2.0
    from_x, from_y = centre_x + shift_x, centre_y + shift_y
    zeros = tf.zeros_like(angle)
    transforms = [
        *(cosine, sine, centre_x - cosine * from_x - sine * from_y),
        *(-sine, cosine, centre_y + sine * from_x - cosine * from_y),
        *(zeros, zeros),
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(transforms, axis=1),
        output_shape=shape[1:3],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
