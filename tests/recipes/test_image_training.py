"""One training run of the recipe: its steps, and the weights it keeps."""

import functools
import importlib

import keras
import numpy as np
import pytest

import ones_keras


@pytest.fixture
def image_training(recipes_on_path):
    return importlib.import_module("image_training")


@pytest.fixture
def settings(recipes_on_path):
    module = importlib.import_module("image_settings")
    return module.ImageSettings(
        batch_size=16, evaluation_batch_size=540, evaluations=3
    )


def small_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def test_takes_the_steps_asked_for_and_keeps_the_best(
    image_training, settings, tmp_path
):
    images = ones_keras.data.load_image_dataset("digits")
    model, seen = small_model(), []
    best = image_training.train(
        model,
        images,
        settings,
        steps=7,
        learning_rate=0.01,
        seed=0,
        backup=functools.partial(ones_keras.training.TrainingBackup, tmp_path),
        progress=lambda done, accuracy=None: seen.append((done, accuracy)),
    )
    validations = [(done, found) for done, found in seen if found is not None]
    # 7 steps in three stretches.
    assert [done for done, _ in validations] == [2, 4, 7]
    assert best == max(found for _, found in validations)
    assert [done for done, found in seen if found is None] == list(range(1, 8))
    logits, labels = image_training.predict_logits(
        model, images.validation(540)
    )
    assert np.mean(logits.argmax(-1) == labels) == pytest.approx(best, abs=1e-6)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stops", [[4], [1, 2, 6]])
def test_an_interrupted_training_validates_at_the_same_steps(
    stops, image_training, settings, backups_of_every_step, tmp_path
):
    images = ones_keras.data.load_image_dataset("digits")

    def train(folder, stop=None):
        keras.utils.set_random_seed(0)
        model, seen = small_model(), {}

        def progress(done, accuracy=None):
            if accuracy is not None:
                seen[done] = accuracy
            if stop == done and accuracy is None:
                raise StoppedError

        best = image_training.train(
            model,
            images,
            settings,
            steps=7,
            learning_rate=0.01,
            seed=0,
            backup=functools.partial(
                ones_keras.training.TrainingBackup,
                tmp_path / folder,
                minutes=0,
            ),
            progress=progress,
        )
        return best, seen, model.get_weights()

    best, seen, weights = train("whole")
    for stop in stops:
        with pytest.raises(StoppedError):
            train("parts", stop)
    again, found, restored = train("parts")
    assert again == best
    # What was before the last stop is not validated again.
    assert found == {
        done: accuracy for done, accuracy in seen.items() if done >= stops[-1]
    }
    for one, other in zip(weights, restored, strict=True):
        np.testing.assert_array_equal(one, other)
