"""A split whose images fit into memory."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ones_keras.data.epoch_order import epoch_order
from ones_keras.data.own_part import own_part


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images held as one array, one split of an `ImageDataset`.

    Args:
        images: array of shape `(num_examples, height, width, channels)`, with
            values in [0, 255].
        labels: integer array of shape `(num_examples,)`.
        image_size: `(height, width)` or `None`. Batches are resized to it
            (bilinear, antialiased); `None` leaves the images as they are.
        augment: callable or `None`. `augment(images, seed)` maps a float32
            batch to an augmented one, with a seed of shape `(2,)`, in
            TensorFlow operations and as a function of the two alone. Applied
            by `training_batches()` only.

    Example:

    ```python
    split = ArrayImages(np.zeros((6, 8, 8, 1)), np.zeros(6, int), None, None)
    images, labels = next(iter(split.batches(batch_size=2)))
    ```
    """

    images: np.ndarray
    labels: np.ndarray
    image_size: tuple[int, int] | None
    augment: Callable | None

    def __len__(self):
        return len(self.labels)

    def training_batches(self, batch_size, seed, start_step, part=(0, 1)):
        """Returns the endless shuffled, augmented batches of a run."""
        images, labels = self._tensors()

        def batch(step):
            positions = step * batch_size + tf.range(batch_size, dtype="int64")
            indices = epoch_order(positions, seed, len(self))
            x = tf.cast(tf.gather(images, indices), "float32")
            if self.augment is not None:
                x = self.augment(x, tf.stack([tf.cast(seed, "int64"), step]))
            # Augmented all together: its seed is that of the whole batch.
            return own_part((self._resize(x), tf.gather(labels, indices)), part)

        steps = tf.data.Dataset.counter(start_step)
        return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE)

    def batches(self, batch_size):
        """Returns the batches in the order of the array, not augmented."""
        examples = tf.data.Dataset.from_tensor_slices(self._tensors())
        return examples.batch(batch_size).map(
            lambda x, y: (self._resize(tf.cast(x, "float32")), y),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def _tensors(self):
        with tf.device("/cpu:0"):
            return tf.constant(self.images), tf.constant(self.labels, "int32")

    def _resize(self, images):
        if self.image_size is None:
            return images
        return tf.image.resize(images, self.image_size, antialias=True)
