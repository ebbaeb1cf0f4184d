"""Training one image classifier, with or without a teacher."""

import devices
import keras
import numpy as np
import tensorflow as tf
from optimization import KeepBest, make_optimizer
from train_in_stretches import train_in_stretches, with_lessons

from ones_keras.data import mixup


def train(model, images, settings, *, steps, learning_rate, seed, **how):
    """Fit a model (or a `Distiller`) and keep its best-validated weights.

    Args:
        model: `keras.Model` or `ones_keras.Distiller`.
        images: `ones_keras.data.ImageDataset`.
        settings: `ImageSettings`.
        steps: int. Training steps.
        learning_rate: float. Peak of the schedule.
        seed: int. Of the order and the augmentation.
        **how: `backup`, `progress` and `log`, as in `train_in_stretches`.

    Returns:
        The best validation accuracy.
    """
    strategy, size = devices.strategy(), settings.evaluation_batch_size
    validation = strategy.evaluation_batches(
        labelled(images.validation(size), images, settings), size
    )
    with strategy.spread(model) as spread:
        spread.compile(
            optimizer=make_optimizer(settings, steps, learning_rate, spread),
            loss=loss_of(settings),
            metrics=None,
            # Of examples that fill up the last batch the weights are zero.
            weighted_metrics=["accuracy"],
        )
        return train_in_stretches(
            spread,
            with_lessons(training_batches(images, settings, seed), model),
            validation,
            steps=steps,
            evaluations=min(settings.evaluations, steps),
            watch=KeepBest(),
            **how,
        )


def training_batches(images, settings, seed):
    """A callable from steps done to the batches after them, of this host."""
    part = devices.strategy().part

    def batches(done):
        found = images.train(settings.batch_size, seed, done, part=part)
        return labelled(found, images, settings, seed, done)

    return batches


def predict_logits(model, batches):
    """Logits `(N, classes)` and labels `(N,)` of a finite dataset."""
    logits, labels = [], []
    for images, batch_labels in batches:
        logits.append(np.asarray(model.predict_on_batch(np.asarray(images))))
        labels.append(np.asarray(batch_labels))
    return np.concatenate(logits).astype("float64"), np.concatenate(labels)


def _soft_labels(settings):
    return bool(settings.mixup or settings.label_smoothing)


def loss_of(settings):
    if _soft_labels(settings):
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        )
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def labelled(batches, images, settings, seed=None, start_step=0):
    """One-hot labels where the loss needs them, mixed in training."""
    if _soft_labels(settings):
        batches = batches.map(
            lambda x, y: (x, tf.one_hot(y, images.num_classes))
        )
    if settings.mixup and seed is not None:
        batches = mixup(batches, settings.mixup, seed, start_step)
    return batches
