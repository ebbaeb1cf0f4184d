"""Operations on colours, each as a table of 256 values a channel."""

import tensorflow as tf

# Of red, green and blue in brightness, by ITU-R 601, as in Pillow.
LUMA = (0.299, 0.587, 0.114)


def look_up(table, image):
    """Replaces every value by what its channel's table says.

    Args:
        table: tensor of shape `(256, 3)` or `(256, 1)`, values in [0, 255]; it
            is truncated to uint8.
        image: uint8 tensor of shape `(height, width, 3)`.

    Returns:
        uint8 tensor of shape `(height, width, 3)`.
    """
    table = tf.broadcast_to(tf.cast(table, "uint8"), (256, 3))
    # One row after another, so that one lookup does for all channels.
    places = 3 * tf.cast(image, "int32") + tf.range(3)
    return tf.gather(tf.reshape(table, (-1,)), places)


def _values():
    return tf.range(256, dtype="float32")[:, None]


def _auto_contrast(image, level):
    """Each channel stretched from its least and most to 0 and 255."""
    least = tf.cast(tf.reduce_min(image, axis=(0, 1)), "float32")
    most = tf.cast(tf.reduce_max(image, axis=(0, 1)), "float32")
    stretched = (_values() - least) * 255 / tf.maximum(most - least, 1)
    stretched = tf.clip_by_value(stretched, 0, 255)
    return tf.where(most > least, stretched, _values())


def _equalize(image, level):
    """Each channel's values spread evenly, by its histogram, as in Pillow."""
    flat = 3 * tf.cast(image, "int32") + tf.range(3)
    counts = tf.math.bincount(
        tf.reshape(flat, (-1,)), minlength=768, maxlength=768
    )
    counts = tf.reshape(counts, (256, 3))
    total = tf.reduce_sum(counts, axis=0)
    brightest = tf.reduce_max(
        tf.where(counts > 0, tf.range(256)[:, None], 0), axis=0
    )
    last = tf.gather(tf.transpose(counts), brightest, batch_dims=1)
    step = (total - last) // 255
    below = tf.cumsum(counts, exclusive=True)
    spread = (below + step // 2) // tf.maximum(step, 1)
    spread = tf.cast(tf.clip_by_value(spread, 0, 255), "float32")
    return tf.where(step > 0, spread, _values())


def _invert(image, level):
    return 255 - _values()


def _posterize(image, level):
    """As few bits as the level says."""
    bits = tf.clip_by_value(int(4 * level), 0, 8)
    unit = 2.0 ** tf.cast(8 - bits, "float32")
    return tf.floor(_values() / unit) * unit


def _solarize(image, level):
    """Bright values inverted, from a threshold on."""
    threshold = min(int(256 * level), 255)
    return tf.where(_values() < threshold, _values(), 255 - _values())


def _solarize_add(image, level):
    """Something added to dark values."""
    brighter = tf.minimum(_values() + int(110 * level), 255)
    return tf.where(_values() < 128, brighter, _values())


def _contrast(image, level):
    """Away from the mean brightness."""
    means = tf.reduce_mean(tf.cast(image, "float32"), axis=(0, 1))
    mean = tf.reduce_sum(means * LUMA)
    return tf.clip_by_value(
        mean + (1.8 * level + 0.1) * (_values() - mean), 0, 255
    )


def _brightness(image, level):
    return tf.clip_by_value((1.8 * level + 0.1) * _values(), 0, 255)


# By name: a callable, given the image and its level (1 is a magnitude of 10),
# that returns the table.
COLOR_TABLES = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "contrast": _contrast,
    "brightness": _brightness,
}
