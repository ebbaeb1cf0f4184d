"""A new head on an image model that is trained, however it was saved."""

import keras

from ones_keras.layers import MoEFeedForward
from ones_keras.portable_saving import PortableModel
from ones_keras.validation import check_positive_int


def add_image_classifier(model, num_classes, dropout=0.0):
    """A classifier of other classes on the layers of a trained image model.

    One linear layer on the mean over the patches: the "representation" layer
    of the trained head is left out with it, as it seems to be in Table 2 of
    OneS, whose counts of parameters fit no other reading (9.45M and 13.69M
    for its students at 10 classes). The layers are the model's own: to train
    the classifier trains them.

    Args:
        model: A model with a layer `pooler`, as a `ViTImageClassifier`, its
            dense student, or what `load_model` makes of its file.
        num_classes: int.
        dropout: float. Rate before the logits. Defaults to `0.0`.

    Returns:
        A functional `keras.Model` from images in [0, 255], of the shape that
        the model takes, to logits `(B, num_classes)`. Without experts it saves
        as plain Keras.

    Raises:
        ValueError: A model that has no such layer.

    Example:

    ```python
    student = ones_keras.models.ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=10
    )
    classifier = ones_keras.models.add_image_classifier(student, num_classes=3)
    ```

    References:
        - [One Student Knows All Experts Know](
            https://arxiv.org/abs/2201.10890), Table 2
    """
    check_positive_int("num_classes", num_classes)
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    if "pooler" not in layers:
        raise ValueError(
            "`model` must have a layer `pooler`, the mean over its patches. "
            f"Received: `model={getattr(model, 'name', model)}` with the "
            f"layers {sorted(layers)}."
        )
    x = keras.layers.Dropout(dropout, name="output_dropout")(
        layers["pooler"].output
    )
    logits = keras.layers.Dense(num_classes, name="predictions")(x)
    sparse = any(isinstance(layer, MoEFeedForward) for layer in layers.values())
    return (keras.Model if sparse else PortableModel)(
        model.input, logits, name=f"{model.name}_classifier"
    )
