"""The digits: fixed splits, fixed test transforms, reproducible batches."""

import hashlib
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from ones_keras.data import load_image_dataset
from ones_keras.data.epoch_order import epoch_order
from ones_keras.data.random_affine import random_affine
from ones_keras.data.stratified_split import stratified_split


@pytest.fixture(scope="module")
def digits():
    return load_image_dataset("digits")


def arrays(dataset):
    batches = list(dataset.as_numpy_iterator())
    return [np.concatenate(part) for part in zip(*batches, strict=True)]


def split_indices():
    labels = datasets.load_digits().target
    rest, test = stratified_split(labels, 450)
    kept, held_out = stratified_split(labels[rest], 270)
    return labels, rest[kept], rest[held_out], test


def test_splits_are_disjoint_and_stratified():
    labels, *parts = split_indices()
    assert [len(part) for part in parts] == [1077, 270, 450]
    everything = np.concatenate(parts)
    np.testing.assert_array_equal(np.sort(everything), np.arange(1797))
    share = np.bincount(labels) / 1797
    for part in parts:
        wanted = share * len(part)
        assert np.all(np.abs(np.bincount(labels[part]) - wanted) <= 1)


def test_split_never_changes():
    """Published figures are about these examples, whatever sklearn does."""
    *_, test = split_indices()
    digest = hashlib.sha256(test.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "a49d9f9e5f9ce736"


def test_training_images_are_the_training_split(digits):
    data = datasets.load_digits()
    _, train, _, _ = split_indices()
    want = data.images[train][..., None] / 16 * 255
    np.testing.assert_allclose(digits.train_split.images, want, rtol=1e-6)
    np.testing.assert_array_equal(digits.train_split.labels, data.target[train])


def test_test_split_is_450_images_under_ten_transforms(digits):
    data = datasets.load_digits()
    *_, test = split_indices()
    images, labels = arrays(digits.test(batch_size=512))
    assert images.shape == (4500, 8, 8, 1)
    assert images.dtype == "float32"
    np.testing.assert_array_equal(
        labels.reshape(10, 450), np.tile(data.target[test], (10, 1))
    )
    by_transform = images.reshape(10, 450, 64)
    assert len(np.unique(by_transform[:, 0], axis=0)) == 10
    # Still pictures of those very digits: the mean over the ten resembles
    # the mean over other transforms of a digit of the same class.
    originals = data.images[test].astype("float32")[..., None]
    others = random_affine(np.tile(originals, (50, 1, 1, 1)), [9, 9])
    blurred = others.numpy().reshape(50, 450, 64).mean(axis=0)
    similarity = np.corrcoef(by_transform.mean(axis=0), blurred)[:450, 450:]
    nearest = data.target[test][similarity.argmax(axis=1)]
    assert np.mean(nearest == data.target[test]) > 0.7  # chance is 0.1


def test_validation_has_transforms_of_its_own(digits):
    images, labels = arrays(digits.validation(batch_size=500))
    assert images.shape == (1080, 8, 8, 1)
    assert labels.shape == (1080,)
    assert images.min() >= 0
    assert images.max() <= 255.001


def test_evaluation_never_changes(digits):
    again = load_image_dataset("digits")
    for split in ("validation", "test"):
        first = arrays(getattr(digits, split)(batch_size=100))
        second = arrays(getattr(again, split)(batch_size=700))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_batches_are_a_function_of_seed_and_step(digits):
    first = arrays(digits.train(16, seed=3, steps=5))
    again = arrays(load_image_dataset("digits").train(16, seed=3, steps=5))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    other = arrays(digits.train(16, seed=4, steps=5))
    assert not np.array_equal(first[1], other[1])


def test_a_run_is_taken_up_where_it_stopped(digits):
    whole = arrays(digits.train(100, seed=3, steps=14))  # crosses an epoch
    resumed = arrays(digits.train(100, seed=3, start_step=9, steps=5))
    skipped = arrays(digits.train(100, seed=3).skip(9).take(5))
    for part in range(2):
        np.testing.assert_array_equal(resumed[part], whole[part][900:])
        np.testing.assert_array_equal(resumed[part], skipped[part])


def test_an_epoch_sees_every_image_once(digits):
    _, labels = arrays(digits.train(1077, steps=1))
    np.testing.assert_array_equal(
        np.bincount(labels), np.bincount(digits.train_split.labels)
    )


def test_training_images_are_transformed_anew_every_epoch(digits):
    epochs = [
        images for images, _ in digits.train(1077, steps=2).as_numpy_iterator()
    ]
    untouched = {image.tobytes() for image in digits.train_split.images}
    drawn = [image.tobytes() for image in itertools.chain(*epochs)]
    assert len(set(drawn)) == 2 * 1077
    assert untouched.isdisjoint(drawn)
    assert np.min(epochs) >= 0
    assert np.max(epochs) <= 255.001


def test_step_seed_reaches_the_augmentation(digits):
    """Batch n holds `random_affine` of its originals at seed (seed, n)."""
    (images, labels), *_ = digits.train(
        32, seed=5, start_step=7, steps=1
    ).as_numpy_iterator()
    originals = tf.constant(digits.train_split.images)
    indices = epoch_order(tf.range(7 * 32, 8 * 32, dtype="int64"), 5, 1077)
    want = random_affine(tf.gather(originals, indices), [5, 7]).numpy()
    np.testing.assert_allclose(images, want, atol=1e-3)
    np.testing.assert_array_equal(
        labels, digits.train_split.labels[indices.numpy()]
    )


def test_image_size():
    dataset = load_image_dataset("digits", image_size=20)
    assert dataset.image_shape == (20, 20, 1)
    for batches in (dataset.train(4), dataset.test(4), dataset.validation(4)):
        images, _ = next(iter(batches))
        assert images.shape == (4, 20, 20, 1)


def test_description(digits):
    assert digits.name == "digits"
    assert digits.num_classes == 10
    assert digits.class_names[3] == "3"
    assert digits.image_shape == (8, 8, 1)
    assert digits.train(8).cardinality() == tf.data.INFINITE_CARDINALITY
    assert digits.train(8, steps=3).cardinality() == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size=0`"),
        ({"batch_size": 2, "steps": 0}, "`steps=0`"),
        ({"batch_size": 2, "seed": -1}, "`seed=-1`"),
        ({"batch_size": 2, "start_step": -1}, "`start_step=-1`"),
    ],
)
def test_bad_arguments(digits, arguments, message):
    with pytest.raises(ValueError, match=message):
        digits.train(**arguments)


def test_feeds_fit_and_evaluate_on_this_backend(digits):
    model = keras.Sequential(
        [
            keras.Input(digits.image_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(digits.train(128), steps_per_epoch=60, shuffle=False, verbose=0)
    _, accuracy = model.evaluate(digits.validation(256), verbose=0)
    assert accuracy > 0.3  # a linear model; chance is 0.1
