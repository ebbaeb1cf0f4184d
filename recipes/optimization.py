"""Optimizer, schedule, and the choice of the weights that are kept."""

import keras
import numpy as np

import ones_keras
from ones_keras.training.is_bias import is_bias
from ones_keras.training.local_value import local_value


def make_optimizer(settings, steps, learning_rate, model):
    """The optimizer of a training of so many steps.

    Args:
        settings: `TrainingSettings`.
        steps: int. Training steps.
        learning_rate: float. Peak of the schedule.
        model: `keras.Model`. What it will train. Its biases and its scales and
            offsets of normalisation do not decay.
    """
    schedule = ones_keras.training.LinearWarmupDecay(
        learning_rate,
        steps,
        # 29 of 100 steps are 28.999... by their share.
        int(round(steps * settings.warmup_share, 6)),
        settings.final_learning_rate,
    )
    options = {
        "weight_decay": settings.weight_decay,
        "global_clipnorm": 1.0,
    }
    if settings.optimizer == "lamb":
        optimizer = ones_keras.training.Lamb(schedule, **options)
    elif settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, **options)
    else:
        optimizer = keras.optimizers.AdamW(schedule, **options)
    if settings.optimizer != "lamb":  # Which sees to that by itself.
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in model.trainable_variables if is_bias(v)]
        )
    return ones_keras.training.clip_whole_gradient(optimizer)


def forget_optimizer(model):
    """Leave out of the model's file what makes it three times the size.

    And, in case of the schedule, what would not load elsewhere.
    """
    model.optimizer, model.compiled = None, False


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best validation, over several fits.

    Args:
        monitor: string. What is compared, in the logs of an epoch.
        sign: int. `1` where more is better, `-1` where less is.
    """

    def __init__(self, monitor="val_accuracy", sign=1):
        super().__init__()
        self.monitor = monitor
        self.sign = sign
        self.best = None
        self.weights = None

    def on_epoch_end(self, epoch, logs=None):
        found = float(logs[self.monitor])
        if self.best is None or self.sign * (found - self.best) > 0:
            self.best = found
            weights = map(local_value, self.model.weights)
            self.weights = [np.array(weight) for weight in weights]

    def get_state(self):
        """As a `TrainingBackup` wants it."""
        if self.best is None:
            return {}
        weights = {str(n): value for n, value in enumerate(self.weights)}
        return {"best": np.array(self.best), **weights}

    def set_state(self, state):
        self.best = self.weights = None
        if state:
            self.best = float(state["best"])
            self.weights = [state[str(n)] for n in range(len(state) - 1)]

    def restore(self, model):
        """Give the model its best weights, at the end of its training."""
        model.set_weights(self.weights)
        forget_optimizer(model)
