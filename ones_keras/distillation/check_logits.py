"""Whether outputs and losses deal in logits."""

import keras

from ones_keras.normalizing_operation import normalizing_operation, title

# Functions whose `from_logits` is `False` unless the caller passes it.
_ON_PROBABILITIES = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)


def check_ends_in_logits(role, output):
    """Raises a `ValueError` where a symbolic output is a softmax's.

    Args:
        role: string. `"teacher"` or `"student"`, for the message.
        output: `KerasTensor`. An output of a functional model.
    """
    culprit = normalizing_operation(output)
    if culprit is not None:
        raise ValueError(
            f"`{role}` must return logits: a distillation loss softens them "
            f"itself. Received: a {role} whose output comes from a softmax "
            f"or sigmoid, in `{culprit.name}` of type "
            f"`{type(culprit).__name__}`. Drop that activation, or build a "
            "model that ends before it."
        )


def check_loss_takes_logits(output_name, loss):
    """Raises a `ValueError` where a cross-entropy expects probabilities.

    Args:
        output_name: string. The output the loss is for, for the message.
        loss: string, function or `keras.losses.Loss`. As in `compile()`.
    """
    if str(loss).lower() in ("ce", "crossentropy"):
        refused = True
    else:
        loss = keras.losses.get(loss)
        refused = loss in _ON_PROBABILITIES or (
            isinstance(loss, keras.losses.Loss)
            and loss.get_config().get("from_logits") is False
        )
    if refused:
        raise ValueError(
            "The student returns logits, so its cross-entropy must be told: "
            "pass `from_logits=True`, as in `loss=keras.losses."
            "SparseCategoricalCrossentropy(from_logits=True)`. Received for "
            f"the output `{output_name}` a loss on probabilities: "
            f"`loss={title(loss)}`."
        )
