"""RandAugment of one image, as a function of the image and a seed."""

import functools
import math

import tensorflow as tf

from ones_keras.data.color_operations import COLOR_OPERATIONS

# What a magnitude of 10 is.
_DEGREES = 30.0
_SHEAR = 0.3
# Of a side: 100 and 40 of 224 pixels.
_SHIFT = 100 / 224
_CUTOUT = 40 / 224
_GREY = 128


def rand_augment(image, seed, num_ops=2, magnitude=15.0):
    """Changes an image by operations drawn at random, one after another.

    Sixteen operations are equally likely, and nothing of a draw is computed
    but the operation itself: auto-contrast, equalisation, inversion,
    posterising, solarising (also with an addition), saturation, contrast,
    brightness, sharpness, rotation, shearing and shifting along either axis,
    and a square cut out. What comes in from outside of the image is grey (128).

    Magnitudes are on the scale of the code that EfficientNet, ViT and WideNet
    trained with (recalled, not verified), where 10 is 30 degrees, a shear of
    0.3, a shift of 100 of 224 pixels, a square of 80 of 224, and a factor of
    1.9 in saturation, contrast, brightness and sharpness, and where larger
    magnitudes posterise and solarise *less*. `magnitude=15` is what ViT and
    WideNet have.

    Pure TensorFlow operations, to be used inside of `tf.data` on any backend;
    Keras' own layer of this name computes all operations every time, means
    other strengths, and draws from a state, so that a run that is taken up
    would go on with other images.

    Args:
        image: uint8 tensor of shape `(height, width, 3)`.
        seed: integer tensor of shape `(2,)`. Decides operations, directions
            and places.
        num_ops: int. Operations an image. Defaults to `2`.
        magnitude: float. Their strength. Defaults to `15.0`.

    Returns:
        uint8 tensor of shape `(height, width, 3)`.

    Raises:
        ValueError: If `num_ops` or `magnitude` is out of its range.

    Example:

    ```python
    image = tf.zeros((224, 224, 3), "uint8")
    image = rand_augment(image, seed=(0, 1))
    ```

    References:
        - [RandAugment](https://arxiv.org/abs/1909.13719)
    """
    check_rand_augment(num_ops, magnitude)
    level = magnitude / 10
    for number in range(num_ops):
        draws = tf.random.stateless_uniform(
            (4,), tf.random.fold_in(seed, number, alg="philox"), alg="philox"
        )
        image = tf.switch_case(
            tf.cast(draws[0] * len(OPERATIONS), "int32"),
            [
                functools.partial(operation, image, level, draws[1:])
                for operation in OPERATIONS.values()
            ],
        )
    return image


def check_rand_augment(num_ops, magnitude):
    """Raise a `ValueError` on what is no number of operations or strength."""
    if num_ops < 0 or num_ops != int(num_ops):
        raise ValueError(
            "`num_ops` must be an integer of 0 or more. Received: "
            f"`num_ops={num_ops}`."
        )
    if not 0 <= magnitude <= 30:
        raise ValueError(
            "`magnitude` must lie in [0, 30]. Received: "
            f"`magnitude={magnitude}`."
        )


def _color(name):
    def operation(image, level, draws):
        return _values(COLOR_OPERATIONS[name](image, level))

    return operation


def _values(image):
    return tf.cast(tf.clip_by_value(image, 0, 255), "uint8")


def _sharpness(image, level, draws):
    values = tf.cast(image, "float32")
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]])
    smooth = tf.nn.depthwise_conv2d(
        values[None],
        tf.tile(kernel[..., None, None] / 13, (1, 1, 3, 1)),
        strides=(1, 1, 1, 1),
        padding="VALID",
    )[0]
    # The outermost pixels have no neighbours to be smoothed with.
    factor = 1.8 * level + 0.1
    sharp = _values(smooth + factor * (values[1:-1, 1:-1] - smooth))
    rows = tf.concat([image[1:-1, :1], sharp, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], rows, image[-1:]], axis=0)


def _rotation(image, level, draws):
    angle = _sign(draws) * math.radians(level * _DEGREES)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    y, x = tf.unstack((tf.cast(tf.shape(image)[:2], "float32") - 1) / 2)
    # About the centre.
    return _transformed(
        image,
        (cosine, -sine, x - cosine * x + sine * y),
        (sine, cosine, y - sine * x - cosine * y),
    )


def _shear_x(image, level, draws):
    return _transformed(image, (1.0, _sign(draws) * level * _SHEAR, 0.0))


def _shear_y(image, level, draws):
    second = (_sign(draws) * level * _SHEAR, 1.0, 0.0)
    return _transformed(image, second=second)


def _shift_x(image, level, draws):
    width = tf.cast(tf.shape(image)[1], "float32")
    return _transformed(
        image, (1.0, 0.0, _sign(draws) * level * _SHIFT * width)
    )


def _shift_y(image, level, draws):
    height = tf.cast(tf.shape(image)[0], "float32")
    second = (0.0, 1.0, _sign(draws) * level * _SHIFT * height)
    return _transformed(image, second=second)


def _sign(draws):
    return tf.where(draws[0] < 0.5, -1.0, 1.0)


def _transformed(image, first=(1.0, 0.0, 0.0), second=(0.0, 1.0, 0.0)):
    """The pixel (x, y) read at (first · (x, y, 1), second · (x, y, 1))."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack([[*first, *second, 0.0, 0.0]]),
        output_shape=tf.shape(image)[:2],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=float(_GREY),
    )[0]


def _cutout(image, level, draws):
    inside = True
    for axis, draw in enumerate((draws[1], draws[2])):
        size = tf.cast(tf.shape(image)[axis], "float32")
        distance = tf.abs(tf.range(size) - tf.floor(draw * size))
        near = distance < tf.maximum(level * _CUTOUT * size, 0.5)
        inside &= near[:, None] if axis == 0 else near[None, :]
    return tf.where(inside[..., None], tf.constant(_GREY, "uint8"), image)


OPERATIONS = {
    **{name: _color(name) for name in COLOR_OPERATIONS},
    "sharpness": _sharpness,
    "rotation": _rotation,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "shift_x": _shift_x,
    "shift_y": _shift_y,
    "cutout": _cutout,
}
