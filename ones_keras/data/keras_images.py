"""The small image datasets that Keras itself can download."""

import functools
import os
import pathlib

from ones_keras.data.array_images import ArrayImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.random_shift_and_flip import random_shift_and_flip
from ones_keras.data.stratified_split import stratified_split


def load_keras_images(
    name, load_data, files, class_names, max_shift, image_size=None
):
    """Loads a dataset of `keras.datasets` with our splits and augmentation.

    5,000 of the official training images, stratified and always the same,
    become the validation split; the official test images are the test split.
    Training images are shifted and flipped at random.

    Args:
        name: str. Name of the dataset.
        load_data: callable. Such as `keras.datasets.cifar10.load_data`.
        files: str. Where below `datasets/` Keras looks for which file; for
            the message where that fails.
        class_names: sequence of str. By label.
        max_shift: int. Largest shift in training, in pixels.
        image_size: `(height, width)` or `None`. Size to resize batches to,
            after augmentation. Defaults to `None`, the original size.

    Returns:
        An `ImageDataset`.

    Raises:
        ValueError: If the files are neither cached nor downloadable, or
            cannot be read.

    Example:

    ```python
    load_keras_images(
        name="cifar10",
        load_data=keras.datasets.cifar10.load_data,
        files="cifar-10-batches-py-target_archive (cifar-10-python.tar.gz)",
        class_names=["airplane", "automobile", ...],
        max_shift=4,
    )
    ```
    """
    try:
        (x, y), (x_test, y_test) = load_data()
    except Exception as error:  # Keras raises a bare `Exception`.
        home = os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras")
        raise ValueError(
            f'The dataset "{name}" could be neither read nor downloaded. Keras '
            f"looked in {pathlib.Path(home) / 'datasets'}. Without a network, "
            f"place there: {files}; the folder must be writable, and "
            "KERAS_HOME, read once when Keras is imported, names another "
            f"parent. The cause was: {error}"
        ) from error
    if x.ndim == 3:  # Grey images come without a channel axis.
        x, x_test = x[..., None], x_test[..., None]
    y, y_test = y.ravel(), y_test.ravel()
    train, validation = stratified_split(y, holdout_size=5000)

    split = functools.partial(ArrayImages, image_size=image_size)
    augment = functools.partial(random_shift_and_flip, max_shift=max_shift)
    return ImageDataset(
        name=name,
        class_names=tuple(class_names),
        image_shape=(*(image_size or x.shape[1:3]), x.shape[-1]),
        train_split=split(x[train], y[train], augment=augment),
        validation_split=split(x[validation], y[validation], augment=None),
        test_split=split(x_test, y_test, augment=None),
    )
