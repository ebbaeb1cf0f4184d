"""The datasets of Keras: splits, messages, and Fashion-MNIST itself."""

import keras
import numpy as np
import pytest

from ones_keras.data import load_image_dataset


def fake_load_data(shape, num_classes, label_shape):
    rng = np.random.default_rng(0)

    def load_data():
        def part(count):
            images = rng.integers(0, 256, (count, *shape)).astype("uint8")
            labels = (np.arange(count) % num_classes).astype("uint8")
            return images, labels.reshape(count, *label_shape)

        return part(10_000), part(300)

    return load_data


@pytest.mark.parametrize(
    ("name", "shape", "num_classes", "label_shape"),
    [
        ("cifar10", (6, 6, 3), 10, (1,)),
        ("cifar100", (6, 6, 3), 100, (1,)),
        ("fashion_mnist", (6, 6), 10, ()),
    ],
)
def test_splits_and_batches(monkeypatch, name, shape, num_classes, label_shape):
    monkeypatch.setattr(
        getattr(keras.datasets, name),
        "load_data",
        fake_load_data(shape, num_classes, label_shape),
    )
    dataset = load_image_dataset(name)
    assert dataset.num_classes == num_classes
    assert len(dataset.train_split) == 5000
    assert len(dataset.validation_split) == 5000
    assert len(dataset.test_split) == 300
    counts = np.bincount(dataset.validation_split.labels)
    np.testing.assert_array_equal(counts, 5000 // num_classes)

    images, labels = next(iter(dataset.train(batch_size=16, seed=1)))
    assert images.shape == (16, *dataset.image_shape)
    assert images.dtype == "float32"
    assert labels.shape == (16,)
    assert float(images.numpy().max()) > 1.0
    images, labels = next(iter(dataset.test(batch_size=300)))
    np.testing.assert_array_equal(images, dataset.test_split.images)
    np.testing.assert_array_equal(labels, np.arange(300) % num_classes)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist"])
def test_what_to_do_without_a_network(monkeypatch, tmp_path, name):
    def load_data():
        raise Exception("URL fetch failure on https://example.org/data.gz")

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="URL fetch failure") as caught:
        load_image_dataset(name)
    message = str(caught.value)
    assert f'"{name}"' in message
    assert str(tmp_path / "datasets") in message
    assert ".gz" in message


def test_fashion_mnist(monkeypatch, shared_data):
    # Keras reads KERAS_HOME once, when it is imported.
    monkeypatch.setattr(
        keras.src.backend.config, "_KERAS_DIR", str(shared_data / "keras_home")
    )
    dataset = load_image_dataset("fashion_mnist")
    splits = (
        dataset.train_split,
        dataset.validation_split,
        dataset.test_split,
    )
    assert [len(split) for split in splits] == [55_000, 5_000, 10_000]
    for split, count in zip(splits, (5500, 500, 1000), strict=True):
        np.testing.assert_array_equal(np.bincount(split.labels), count)
    # The official test set, untouched and in order; its first is a boot.
    (_, _), (x_test, _) = keras.datasets.fashion_mnist.load_data()
    images, labels = next(iter(dataset.test(batch_size=100)))
    np.testing.assert_array_equal(images[..., 0], x_test[:100])
    assert dataset.class_names[int(labels[0])] == "Ankle boot"
    assert dataset.image_shape == (28, 28, 1)
