"""What every image dataset offers, wherever its images come from."""

import dataclasses
from typing import Any

from ones_keras.data.untuned import untuned
from ones_keras.validation import check_positive_int

_MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class ImageDataset:
    """A dataset of labelled images in three fixed splits.

    Every batch is `(images, labels)`: float32 images of shape
    `(batch_size, *image_shape)` with values in [0, 255] (models rescale inside
    their graph) and int32 labels of shape `(batch_size,)`. The batches are
    `tf.data.Dataset`s, which `fit` takes on every Keras backend; pass it
    `shuffle=False`, as the batches are shuffled already.

    Args:
        name: str. Name of the dataset.
        class_names: tuple of str. One name a class, by label.
        image_shape: tuple of int. `(height, width, channels)`.
        train_split: a split such as `ArrayImages`, `FileImages` or
            `RecordImages`: an object with `len()`, `training_batches(
            batch_size, seed, start_step, part)` and `batches(batch_size)`.
        validation_split: a split. For choices made while training.
        test_split: a split. To be looked at once, at the end.

    Example:

    ```python
    dataset = ones_keras.data.load_image_dataset("digits")
    model = ones_keras.models.ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=dataset.num_classes, num_layers=1
    )
    model.fit(
        dataset.train(batch_size=128, seed=0),
        steps_per_epoch=2,
        shuffle=False,
    )
    model.evaluate(dataset.validation(batch_size=256))
    ```
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train_split: Any
    validation_split: Any
    test_split: Any

    @property
    def num_classes(self):
        return len(self.class_names)

    def train(self, batch_size, seed=0, start_step=0, steps=None, part=(0, 1)):
        """Returns shuffled, augmented batches as a function of seed and step.

        Batch number n depends on `(seed, n)` alone, so a run taken up at
        `start_step` sees exactly what it would have seen without a break, and
        starting there costs nothing. Batches are always full and run on over
        the end of an epoch.

        With `steps` given the dataset ends, which makes it calibration data
        for `ones_keras.gather()`.

        Args:
            batch_size: int. Examples in a batch.
            seed: int. Decides order and augmentation, in [0, 2**31).
                Defaults to `0`.
            start_step: int. Number of the first batch. Defaults to `0`.
            steps: int or `None`. How many batches to give; `None` never ends.
                Defaults to `None`.
            part: pair of ints. Which part of each batch to give, and of how
                many, as several hosts feed them. Defaults to `(0, 1)`, all.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`.

        Raises:
            ValueError: If an argument is out of range.
        """
        check_positive_int("batch_size", batch_size)
        if not 0 <= seed <= _MAX_SEED:
            raise ValueError(
                f"`seed` must lie in [0, {_MAX_SEED}]. Received: `seed={seed}`."
            )
        if start_step < 0:
            raise ValueError(
                "`start_step` must not be negative. "
                f"Received: `start_step={start_step}`."
            )
        number, parts = part
        if not 0 <= number < parts or batch_size % parts:
            raise ValueError(
                "`part` must be the number of a part, from 0 on, and that of "
                "all parts, of which `batch_size` is a multiple. Received: "
                f"`part={part}`, `batch_size={batch_size}`."
            )
        batches = self.train_split.training_batches(
            batch_size, seed, start_step, part
        )
        if steps is not None:
            check_positive_int("steps", steps)
            batches = batches.take(steps)
        return untuned(batches.prefetch(2))

    def validation(self, batch_size):
        """Returns the validation split, in a fixed order, once."""
        return self._evaluation(self.validation_split, batch_size)

    def test(self, batch_size):
        """Returns the test split, in a fixed order, once."""
        return self._evaluation(self.test_split, batch_size)

    def _evaluation(self, split, batch_size):
        check_positive_int("batch_size", batch_size)
        return untuned(split.batches(batch_size).prefetch(2))
