"""Examples that are ready arrays."""

import dataclasses
from typing import Any

import tensorflow as tf

from ones_keras.data.epoch_order import epoch_order
from ones_keras.data.untuned import untuned


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayExamples:
    """Inputs and labels held as arrays, in batches for training.

    Args:
        x: array, or dict of arrays, of `n` examples.
        labels: array of `n` labels.

    Example:

    ```python
    examples = ones_keras.data.ArrayExamples(np.zeros((9, 4)), np.zeros(9))
    x, labels = next(iter(examples.training_batches(batch_size=3, seed=0)))
    ```
    """

    x: Any
    labels: Any

    def __len__(self):
        return len(self.labels)

    def training_batches(self, batch_size, seed, start_step=0):
        """Returns endless shuffled batches; number n is that of (seed, n)."""
        with tf.device("/cpu:0"):
            arrays = tf.nest.map_structure(tf.constant, (self.x, self.labels))

        def batch(step):
            positions = step * batch_size + tf.range(batch_size, dtype="int64")
            indices = epoch_order(positions, seed, len(self))
            return tf.nest.map_structure(
                lambda array: tf.gather(array, indices), arrays
            )

        steps = tf.data.Dataset.counter(start_step)
        batches = steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
        return untuned(batches.prefetch(2))
