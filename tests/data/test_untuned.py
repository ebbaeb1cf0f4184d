import numpy as np
import pytest
import tensorflow as tf

from ones_keras.data import ArrayExamples, load_image_dataset
from ones_keras.data.untuned import untuned


def test_same_batches():
    dataset = tf.data.Dataset.range(7).map(
        lambda n: n * n, num_parallel_calls=tf.data.AUTOTUNE
    )
    assert list(untuned(dataset).as_numpy_iterator()) == [
        n * n for n in range(7)
    ]


@pytest.fixture(scope="module")
def images():
    return load_image_dataset("digits")


# A whole minute may be lost where one of them is forgotten.
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_images_do_not_tune_themselves(images, split):
    dataset = getattr(images, split)(8).map(lambda x, y: x)
    assert dataset.options().autotune.enabled is False


def test_arrays_do_not_tune_themselves():
    examples = ArrayExamples(np.zeros((4, 2)), np.zeros(4))
    dataset = examples.training_batches(2, seed=0)
    assert dataset.options().autotune.enabled is False
