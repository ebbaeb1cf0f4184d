"""Whether an output of a model holds probabilities."""

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


def normalizing_operation(output):
    """The softmax or sigmoid that a symbolic output comes from, or `None`.

    Args:
        output: `KerasTensor`. An output of a functional model.
    """
    operation, node_index, tensor_index = output._keras_history
    if isinstance(operation, keras.Model):
        # `None` for a subclassed model, whose graph cannot be seen.
        inner = getattr(operation, "outputs", None)
        return inner and normalizing_operation(inner[tensor_index])
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
        return normalizing_operation(node.input_tensors[0])
    if isinstance(operation, keras.layers.Average):
        # An ensemble: the mean of probabilities is probabilities.
        node = operation._inbound_nodes[node_index]
        culprits = [normalizing_operation(x) for x in node.input_tensors]
        return culprits[0] if all(culprits) else None
    return None


def title(obj):
    """The name of a function, class or string, or of an object's class."""
    return getattr(obj, "__name__", None) or (
        obj if isinstance(obj, str) else type(obj).__name__
    )


def _plain_name(function):
    return title(function).replace("_", "").lower()
