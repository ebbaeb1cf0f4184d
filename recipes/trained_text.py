"""The trained text model that is fine-tuned, with its vocabulary."""

import json
import pathlib

import keras

import ones_keras


def prepare_text(load_data, add_head, settings):
    """The data of a text task, and what makes the model for it.

    Args:
        load_data: callable, given settings and `TextTokenizer`, that returns
            the data, or raises a `ValueError`.
        add_head: callable, from the trained model to the one for the task.
        settings: `TextFineTuningSettings`.

    Returns:
        The data, and a callable that returns the model.
    """
    ones_keras.data.keep_tensorflow_off_gpu()
    _, tokenizer = load_trained(settings)
    data = load_data(settings, tokenizer)
    return data, lambda: add_head(load_trained(settings)[0])


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
    vocabulary = settings.vocabulary_file
    check_case(settings, vocabulary)
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


def check_case(settings, vocabulary):
    """Refuse another case than that of the pretraining, where it is known."""
    try:
        launched = json.loads(vocabulary.with_name("launch.json").read_text())
        lowercase = launched["settings"]["lowercase"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # Of another origin.
    if lowercase != settings.lowercase:
        raise ValueError(
            f"The model was pretrained with `--lowercase={lowercase}`. "
            f"Received: `--lowercase={settings.lowercase}`, "
            f"`--model={settings.model}`."
        )
