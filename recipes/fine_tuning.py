"""Training a trained model on a task, and what several seeds found."""

import devices
import numpy as np
from last_loss import LastLoss
from optimization import make_optimizer
from train_in_stretches import train_in_stretches


def fit(model, batches, loss, settings, **how):
    """Train for `--steps`.

    Args:
        model: `keras.Model`.
        batches: callable, given a number of steps, that returns the endless
            dataset after them, of the host's own part.
        loss: as in `keras.Model.compile`.
        settings: `FineTuningSettings`.
        **how: `backup`, `progress` and `log`, as in `train_in_stretches`.
    """
    with devices.strategy().spread(model) as spread:
        spread.compile(
            optimizer=make_optimizer(
                settings, settings.steps, settings.learning_rate, spread
            ),
            loss=loss,
        )
        train_in_stretches(
            spread,
            batches,
            steps=settings.steps,
            evaluations=1,
            watch=LastLoss(),
            **how,
        )


def predict(model, batches):
    """The outputs of a finite dataset of inputs, as one array."""
    return np.concatenate(
        [
            np.asarray(
                model.predict_on_batch(
                    {name: np.asarray(value) for name, value in x.items()}
                ),
                "float32",
            )
            for x in batches
        ]
    )


def mean_and_spread(found):
    """Of dicts of numbers, one a seed: mean and standard deviation of each."""
    return {
        name: {
            "mean": float(np.mean([one[name] for one in found])),
            "std": float(np.std([one[name] for one in found], ddof=1))
            if len(found) > 1
            else None,
        }
        for name in found[0]
    }
