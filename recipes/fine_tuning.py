"""A trained text model, and its training on a task."""

import pathlib

import keras
import numpy as np
from last_loss import LastLoss
from optimization import make_optimizer
from train_in_stretches import train_in_stretches

import ones_keras


def load_trained(settings):
    """The model of `--model` and its vocabulary, which have to fit.

    Returns:
        The model and a `TextTokenizer`.
    """
    path = pathlib.Path(settings.model)
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(
            f"The model could not be read ({error}). Received: "
            f"`--model={settings.model}`."
        ) from error
    vocabulary = settings.vocabulary
    if not vocabulary:
        # That of a seed's models lies in the folder above.
        beside = path.parent / "vocabulary"
        above = path.parent.parent / "vocabulary"
        vocabulary = above if above.exists() and not beside.exists() else beside
        if not vocabulary.exists():
            raise ValueError(
                f"The model needs its `--vocabulary`; there is none in "
                f"{beside} or {above}. Received: `--model={settings.model}`."
            )
    tokenizer = ones_keras.data.load_tokenizer(vocabulary, settings.lowercase)
    layers = {layer.name: layer for layer in model.layers}
    for name, expected, found in (
        ("token_embedding", tokenizer.vocabulary_size, "`--vocabulary`"),
        ("position_embedding", settings.sequence_length, "`--sequence_length`"),
    ):
        size = getattr(layers.get(name), "input_dim", None)
        if size is None:
            raise ValueError(
                f"The model has no `Embedding` layer {name!r}, as those that "
                "`albert_ones.py` and `ones_keras.models` make have. "
                f"Received: `--model={settings.model}`."
            )
        exact = name == "token_embedding"
        if size < expected or (exact and size != expected):
            raise ValueError(
                f"The model has {size} rows in its {name} and {found} asks for "
                f"{expected}. Received: `--model={settings.model}`."
            )
    return model, tokenizer


def fit(model, batches, loss, settings, backup, progress):
    """Train for `--steps`.

    Args:
        model: `keras.Model`.
        batches: callable, given a number of steps, that returns the endless
            dataset after them.
        loss: as in `keras.Model.compile`.
        settings: `FineTuningSettings`.
        backup: callable, as in `train_in_stretches`.
        progress: callable, given the steps done and, at the end, the loss.
    """
    model.compile(
        optimizer=make_optimizer(
            settings, settings.steps, settings.learning_rate, model
        ),
        loss=loss,
    )
    train_in_stretches(
        model,
        batches,
        steps=settings.steps,
        evaluations=1,
        watch=LastLoss(),
        backup=backup,
        progress=progress,
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
