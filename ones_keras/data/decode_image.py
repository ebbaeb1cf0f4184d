"""From an encoded image to a crop of it, decoding no more than is needed."""

import tensorflow as tf

# The share of the evaluation image that the central crop keeps: 224 of 256.
_CENTRAL_SHARE = 224 / 256


def decode_random_crop(contents, size, seed):
    """An Inception-style crop, and every other one mirrored.

    The crop has 8 to 100 % of the area and an aspect of 3/4 to 4/3, and is
    resized (bilinear, antialiased). Of a JPEG only the crop is decoded.

    Args:
        contents: string tensor. A JPEG, PNG, GIF or BMP file.
        size: tuple of int. `(height, width)` of the result.
        seed: integer tensor of shape `(2,)`.

    Returns:
        float32 tensor of shape `(*size, 3)`, values in [0, 255].
    """
    crop_seed, flip_seed = tf.unstack(
        tf.random.split(seed, num=2, alg="philox")
    )

    def window(shape):
        begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape,
            bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            seed=crop_seed,
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
        )
        return tf.concat([begin[:2], extent[:2]], axis=0)

    image = _decode_window(contents, window)
    image = tf.image.resize(image, size, antialias=True)
    return tf.image.stateless_random_flip_left_right(image, flip_seed)


def decode_central_crop(contents, size):
    """What resizing to 8/7 of the crop and cropping the centre would give.

    Args:
        contents: string tensor. As in `decode_random_crop`.
        size: tuple of int. `(height, width)` of the result.

    Returns:
        float32 tensor of shape `(*size, 3)`, values in [0, 255].
    """

    def window(shape):
        # The largest one of the crop's shape, shrunk to its share: nothing is
        # resized that is then cut away.
        height, width = tf.unstack(tf.cast(shape[:2], "float32"))
        unit = _CENTRAL_SHARE * tf.minimum(height / size[0], width / size[1])
        extent = tf.cast(tf.round(unit * tf.constant(size, "float32")), "int32")
        extent = tf.maximum(extent, 1)
        return tf.concat([(shape[:2] - extent) // 2, extent], axis=0)

    return tf.image.resize(
        _decode_window(contents, window), size, antialias=True
    )


def decode_image(contents):
    """A whole image: uint8 tensor of shape `(height, width, 3)`.

    Grey, palette and CMYK images come out as RGB, and of a GIF the first
    picture; an alpha channel is dropped.
    """
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    return tf.ensure_shape(image, (None, None, 3))


def _decode_window(contents, window):
    """The part that `window(shape)` names: `(y, x, height, width)`."""

    def part_of_jpeg():
        shape = tf.image.extract_jpeg_shape(contents)
        return tf.image.decode_and_crop_jpeg(
            contents, window(shape), channels=3
        )

    def part_of_another():
        image = decode_image(contents)
        y, x, height, width = tf.unstack(window(tf.shape(image)))
        return image[y : y + height, x : x + width]

    # By what is in it: ImageNet has a PNG under the name of a JPEG.
    return tf.cond(tf.image.is_jpeg(contents), part_of_jpeg, part_of_another)
