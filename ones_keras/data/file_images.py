"""A split whose images are read from files while training."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ones_keras.data.encoded_images import EncodedImages
from ones_keras.data.epoch_order import epoch_order


@dataclasses.dataclass(frozen=True, eq=False)
class FileImages(EncodedImages):
    """Images decoded from files as they are needed, a split of `ImageDataset`.

    Training takes an Inception-style crop (8 to 100 % of the area, aspect 3/4
    to 4/3, resized) and flips half of the images. Evaluation resizes the image
    until its shorter side is 8/7 of the crop's and takes the crop from the
    centre. Resizing is bilinear with antialiasing. Grey, palette and CMYK
    files come out as RGB, and an alpha channel is dropped.

    A file that cannot be decoded is named in the log. In training another of
    its batch is seen twice in its place; in evaluation it is left out.

    Args:
        paths: string array of shape `(num_examples,)`. Image files of any
            format that `tf.io.decode_image` reads.
        labels: integer array of shape `(num_examples,)`.
        image_size: tuple of int. `(height, width)` of the result.
        augment: callable or `None`. `augment(image, seed)` maps a uint8 image
            of shape `(*image_size, 3)` to another one, with a seed of shape
            `(2,)`, in TensorFlow operations and as a function of the two
            alone. Applied in training, after crop and flip. Defaults to
            `None`.
        max_unreadable: int. How many different files may be skipped before
            training or evaluation fails. Defaults to `0`.

    Example:

    ```python
    split = FileImages(np.array(["a.jpg"]), np.array([0]), (224, 224))
    images, labels = next(iter(split.batches(batch_size=1)))
    ```
    """

    paths: np.ndarray
    labels: np.ndarray
    image_size: tuple[int, int]
    augment: Callable | None = None
    max_unreadable: int = 0

    def __len__(self):
        return len(self.labels)

    def training_sources(self, batch_size, seed, start_step):
        paths, labels = self._tensors()

        def batch(step):
            positions = step * batch_size + tf.range(batch_size, dtype="int64")
            indices = epoch_order(positions, seed, len(self))
            chosen = tf.gather(paths, indices)
            return {
                "name": chosen,
                "source": chosen,
                "label": tf.gather(labels, indices),
                "position": positions,
            }

        return tf.data.Dataset.counter(start_step).map(batch)

    def sources(self, batch_size):
        paths, labels = self._tensors()
        sources = {"name": paths, "source": paths, "label": labels}
        return tf.data.Dataset.from_tensor_slices(sources).batch(batch_size)

    @staticmethod
    def contents(source):
        return tf.io.read_file(source)

    @staticmethod
    def read(source):
        return pathlib.Path(source.decode()).read_bytes()

    def _tensors(self):
        with tf.device("/cpu:0"):
            return tf.constant(self.paths), tf.constant(self.labels, "int32")
