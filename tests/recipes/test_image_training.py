"""One training run of the recipe: its steps, and the weights it keeps."""

import importlib
import pathlib

import keras
import numpy as np
import pytest

import ones_keras

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"


@pytest.fixture
def image_training(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))
    return importlib.import_module("image_training")


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))
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


def test_takes_the_steps_asked_for_and_keeps_the_best(image_training, settings):
    images = ones_keras.data.load_image_dataset("digits")
    model, seen = small_model(), []
    best = image_training.train(
        model,
        images,
        settings,
        steps=7,
        learning_rate=0.01,
        seed=0,
        progress=lambda done, accuracy=None: seen.append((done, accuracy)),
    )
    assert int(model.optimizer.iterations) == 7
    validations = [(done, found) for done, found in seen if found is not None]
    # 7 steps in three stretches.
    assert [done for done, _ in validations] == [2, 4, 7]
    assert best == max(found for _, found in validations)
    assert [done for done, found in seen if found is None] == list(range(1, 8))
    logits, labels = image_training.predict_logits(
        model, images.validation(540)
    )
    assert np.mean(logits.argmax(-1) == labels) == pytest.approx(best, abs=1e-6)


def test_keeps_the_best_weights_over_several_fits(image_training):
    keep, model = image_training.KeepBest(), small_model()
    kept = None
    for accuracy in (0.3, 0.6, 0.6, 0.5):
        model.set_weights([w + 1 for w in model.get_weights()])
        if accuracy == 0.6 and kept is None:
            kept = model.get_weights()
        keep.set_model(model)
        keep.on_epoch_end(0, {"val_accuracy": accuracy})
    keep.restore(model)
    assert keep.best == 0.6
    for one, other in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)
