"""The 8x8 handwritten digits that scikit-learn ships."""

import functools

import numpy as np
import tensorflow as tf
from sklearn import datasets

from ones_keras.data.array_images import ArrayImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.random_affine import random_affine
from ones_keras.data.stratified_split import stratified_split

_VALIDATION_SIZE = 270
_TEST_SIZE = 450
_VALIDATION_TRANSFORMS = 4
_TEST_TRANSFORMS = 10


def load_digits(image_size=None):
    """Loads the digits under random affine transforms.

    A task that needs no download, trains within minutes on a CPU, and is hard
    enough to tell models apart: every training image is turned, scaled and
    shifted anew (`random_affine`). The 1797 images are split, stratified and
    always the same way, into 1077 for training, 270 for validation and 450 for
    testing. The test set is those 450 under 10 fixed transforms each, 4500
    images; the validation set 270 under 4 others, 1080 images.

    Args:
        image_size: `(height, width)` or `None`. Size to enlarge the images
            to, after the transforms. Defaults to `None`, 8x8.

    Returns:
        An `ImageDataset`, grey images of shape `(8, 8, 1)`.

    Example:

    ```python
    images, labels = next(iter(load_digits().train(batch_size=128)))
    ```
    """
    digits = datasets.load_digits()
    images = (digits.images * (255.0 / 16.0)).astype("float32")[..., None]
    labels = digits.target
    rest, test = stratified_split(labels, _TEST_SIZE)
    kept, held_out = stratified_split(labels[rest], _VALIDATION_SIZE)
    train, validation = rest[kept], rest[held_out]

    split = functools.partial(ArrayImages, image_size=image_size)
    return ImageDataset(
        name="digits",
        class_names=tuple(str(name) for name in digits.target_names),
        image_shape=(*(image_size or images.shape[1:3]), 1),
        train_split=split(images[train], labels[train], augment=random_affine),
        validation_split=split(
            _transformed(images[validation], _VALIDATION_TRANSFORMS, seed=1),
            np.tile(labels[validation], _VALIDATION_TRANSFORMS),
            augment=None,
        ),
        test_split=split(
            _transformed(images[test], _TEST_TRANSFORMS, seed=2),
            np.tile(labels[test], _TEST_TRANSFORMS),
            augment=None,
        ),
    )


def _transformed(images, times, seed):
    with tf.device("/cpu:0"):
        # The first number is outside the range of the training seeds.
        repeated = tf.tile(images, (times, 1, 1, 1))
        return random_affine(repeated, seed=[-1, seed]).numpy()
