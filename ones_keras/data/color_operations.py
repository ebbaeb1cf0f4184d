"""Operations on the colours of an image, each value by itself."""

import tensorflow as tf

# Of red, green and blue in brightness, by ITU-R 601, as in Pillow.
LUMA = (0.299, 0.587, 0.114)


def _auto_contrast(image, level):
    """Each channel stretched from its least and most to 0 and 255."""
    values = _floats(image)
    least = _floats(tf.reduce_min(image, axis=(0, 1)))
    most = _floats(tf.reduce_max(image, axis=(0, 1)))
    scale = tf.where(most > least, 255 / tf.maximum(most - least, 1), 1.0)
    return scale * values + tf.where(most > least, -scale * least, 0.0)


def _equalize(image, level):
    """Each channel's values spread evenly, by its histogram, as in Pillow."""
    places = 3 * tf.cast(image, "int32") + tf.range(3)
    counts = tf.math.bincount(
        tf.reshape(places, (-1,)), minlength=768, maxlength=768
    )
    counts = tf.reshape(counts, (256, 3))
    values = tf.range(256)[:, None]
    brightest = tf.reduce_max(tf.where(counts > 0, values, 0), axis=0)
    last = tf.gather(tf.transpose(counts), brightest, batch_dims=1)
    step = (tf.reduce_sum(counts, axis=0) - last) // 255
    below = tf.cumsum(counts, exclusive=True)
    spread = (below + step // 2) // tf.maximum(step, 1)
    table = _floats(tf.where(step > 0, tf.minimum(spread, 255), values))
    return tf.gather(tf.reshape(table, (-1,)), places)


def _invert(image, level):
    return 255 - _floats(image)


def _posterize(image, level):
    """As few bits as the level says."""
    unit = 2.0 ** (8 - min(int(4 * level), 8))
    return unit * tf.floor(_floats(image) / unit)


def _solarize(image, level):
    """Bright values inverted, from a threshold on."""
    values = _floats(image)
    threshold = min(int(256 * level), 255)
    return values + _floats(values >= threshold) * (255 - 2 * values)


def _solarize_add(image, level):
    """Something added to dark values."""
    values = _floats(image)
    return values + _floats(values < 128) * int(110 * level)


def _contrast(image, level):
    """Away from the mean brightness."""
    values = _floats(image)
    mean = tf.reduce_sum(tf.reduce_mean(values, axis=(0, 1)) * LUMA)
    return mean + (1.8 * level + 0.1) * (values - mean)


def _brightness(image, level):
    return (1.8 * level + 0.1) * _floats(image)


def _saturation(image, level):
    """Away from the grey of the same brightness."""
    values = _floats(image)
    grey = tf.tensordot(values, tf.constant(LUMA), 1)[..., None]
    return grey + (1.8 * level + 0.1) * (values - grey)


def _floats(image):
    return tf.cast(image, "float32")


# By name: a callable, given a uint8 image of shape `(height, width, 3)` and its
# level (1 is a magnitude of 10), that returns float32, to be clipped to
# [0, 255] and truncated.
COLOR_OPERATIONS = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "contrast": _contrast,
    "brightness": _brightness,
    "saturation": _saturation,
}
