"""Whether outputs and losses deal in logits."""

import keras

# Activations after which an output holds probabilities. Log-softmax is not
# among them: a softmax undoes it, at any temperature.
_NORMALIZING = {"softmax", "sigmoid", "hardsigmoid", "sparsesoftmax"}

# Layers and operations that leave values as they are, after a softmax too.
_TRANSPARENT = {
    "cast",
    "dropout",
    "flatten",
    "getitem",
    "identity",
    "permute",
    "reshape",
    "squeeze",
    "transpose",
}

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
    culprit = _normalizing_operation(output)
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
            f"`loss={_title(loss)}`."
        )


def _normalizing_operation(output):
    operation, node_index, tensor_index = output._keras_history
    if isinstance(operation, keras.Model):
        # `None` for a subclassed model, whose graph cannot be seen.
        inner = getattr(operation, "outputs", None)
        return inner and _normalizing_operation(inner[tensor_index])
    if isinstance(operation, keras.layers.Wrapper):
        operation = operation.layer
    activation = _plain_name(getattr(operation, "activation", operation))
    if activation in _NORMALIZING:
        return operation
    if _plain_name(operation) in _TRANSPARENT or (
        isinstance(operation, keras.layers.Activation)
        and activation == "linear"
    ):
        node = operation._inbound_nodes[node_index]
        return _normalizing_operation(node.input_tensors[0])
    if isinstance(operation, keras.layers.Average):
        # An ensemble: the mean of probabilities is probabilities.
        node = operation._inbound_nodes[node_index]
        culprits = [_normalizing_operation(x) for x in node.input_tensors]
        return culprits[0] if all(culprits) else None
    return None


def _plain_name(function):
    return _title(function).replace("_", "").lower()


def _title(obj):
    return getattr(obj, "__name__", None) or (
        obj if isinstance(obj, str) else type(obj).__name__
    )
