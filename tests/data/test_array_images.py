"""`ArrayImages`: order, dtype and size of its batches."""

import numpy as np
import tensorflow as tf

from ones_keras.data import ArrayImages


def split(count=10, image_size=None, augment=None):
    images = np.arange(count * 4, dtype="uint8").reshape(count, 2, 2, 1)
    return ArrayImages(images, np.arange(count), image_size, augment)


def test_batches_keep_the_order_and_the_last_few():
    parts = list(split().batches(4).as_numpy_iterator())
    assert [len(labels) for _, labels in parts] == [4, 4, 2]
    images = np.concatenate([images for images, _ in parts])
    assert images.dtype == "float32"
    np.testing.assert_array_equal(images, split().images)


def test_labels_stay_with_their_images():
    (images, labels), *_ = (
        split().training_batches(10, seed=0, start_step=0).take(1)
    )
    np.testing.assert_array_equal(images, split().images[labels])
    assert not np.array_equal(labels, np.arange(10))


def test_a_batch_may_exceed_an_epoch():
    (_, labels), *_ = (
        split(3).training_batches(12, seed=0, start_step=0).take(1)
    )
    np.testing.assert_array_equal(np.bincount(labels), [4, 4, 4])


def test_augment_sees_float_images_and_seed_and_step():
    def augment(images, seed):
        assert images.dtype == "float32"
        return images * 0 + tf.cast(1000 * seed[0] + seed[1], "float32")

    batches = split(augment=augment).training_batches(2, seed=7, start_step=5)
    for step, (images, _) in enumerate(batches.take(3), start=5):
        np.testing.assert_array_equal(images, 7000 + step)
    # Evaluation is never augmented.
    images, _ = next(iter(split(augment=augment).batches(10)))
    np.testing.assert_array_equal(images, split().images)


def test_resizing_is_antialiased():
    images, _ = next(iter(split(image_size=(1, 1)).batches(10)))
    np.testing.assert_allclose(
        images[:, 0, 0, 0], split().images.mean(axis=(1, 2, 3)), rtol=1e-6
    )
