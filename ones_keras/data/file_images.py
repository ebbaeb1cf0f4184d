"""A split whose images are read from files while training."""

import dataclasses

import numpy as np
import tensorflow as tf

from ones_keras.data.epoch_order import epoch_order

# The share of the evaluation image that the central crop keeps: 224 of 256.
_CENTRAL_SHARE = 224 / 256


@dataclasses.dataclass(frozen=True, eq=False)
class FileImages:
    """Images decoded from files as they are needed, a split of `ImageDataset`.

    Training takes an Inception-style crop (8 to 100 % of the area, aspect 3/4
    to 4/3, resized) and flips half of the images. Evaluation resizes the image
    until its shorter side is 8/7 of the crop's and takes the crop from the
    centre. Resizing is bilinear with antialiasing. Grey, palette and CMYK
    files come out as RGB, and an alpha channel is dropped.

    Args:
        paths: string array of shape `(num_examples,)`. Image files of any
            format that `tf.io.decode_image` reads.
        labels: integer array of shape `(num_examples,)`.
        image_size: tuple of int. `(height, width)` of the result.

    Example:

    ```python
    split = FileImages(np.array(["a.jpg"]), np.array([0]), (224, 224))
    images, labels = next(iter(split.batches(batch_size=1)))
    ```
    """

    paths: np.ndarray
    labels: np.ndarray
    image_size: tuple[int, int]

    def __len__(self):
        return len(self.labels)

    def training_batches(self, batch_size, seed, start_step):
        """Returns the endless shuffled, augmented batches of a run."""
        paths, labels = self._tensors()

        def example(position):
            index = epoch_order(position[None], seed, len(self))[0]
            image = _random_crop_and_flip(
                self.read(paths[index]),
                self.image_size,
                tf.stack([tf.cast(seed, "int64"), position]),
            )
            return image, labels[index]

        positions = tf.data.Dataset.counter(start_step * batch_size)
        examples = positions.map(example, num_parallel_calls=tf.data.AUTOTUNE)
        return examples.batch(batch_size, drop_remainder=True)

    def batches(self, batch_size):
        """Returns the batches in the order of the files, not augmented."""
        examples = tf.data.Dataset.from_tensor_slices(self._tensors())
        return examples.map(
            lambda path, y: (
                _central_crop(self.read(path), self.image_size),
                y,
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).batch(batch_size)

    @staticmethod
    def read(path):
        """Decodes one file to a uint8 tensor of shape `(h, w, 3)`."""
        image = tf.io.decode_image(
            tf.io.read_file(path), channels=3, expand_animations=False
        )
        return tf.ensure_shape(image, (None, None, 3))

    def _tensors(self):
        with tf.device("/cpu:0"):
            return tf.constant(self.paths), tf.constant(self.labels, "int32")


def _random_crop_and_flip(image, size, seed):
    crop_seed, flip_seed = tf.unstack(
        tf.random.split(seed, num=2, alg="philox")
    )
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=crop_seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
    )
    image = tf.slice(image, begin, extent)
    image = tf.image.resize(image, size, antialias=True)
    return tf.image.stateless_random_flip_left_right(image, flip_seed)


def _central_crop(image, size):
    # The largest central window of the crop's shape, shrunk to its share: what
    # resizing first would give, without resizing what is then cut away.
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], "float32"))
    unit = _CENTRAL_SHARE * tf.minimum(height / size[0], width / size[1])
    window_height = tf.maximum(tf.cast(tf.round(unit * size[0]), "int32"), 1)
    window_width = tf.maximum(tf.cast(tf.round(unit * size[1]), "int32"), 1)
    window = tf.image.crop_to_bounding_box(
        image,
        (tf.shape(image)[0] - window_height) // 2,
        (tf.shape(image)[1] - window_width) // 2,
        window_height,
        window_width,
    )
    return tf.image.resize(window, size, antialias=True)
