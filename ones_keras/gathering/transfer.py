"""Which layers teacher and student share, and how their weights move."""

import keras
import numpy as np

from ones_keras.layers import DenseFeedForward


def graph_layers(model, prefix=""):
    """The layers of a functional graph by name, nested models opened up.

    So is a `DenseFeedForward`, in whose place a student has its two layers.
    """
    layers = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layers.update(graph_layers(layer, f"{prefix}{layer.name}/"))
        elif isinstance(layer, DenseFeedForward):
            for part in (layer.up, layer.down):
                layers[prefix + part.name] = part
        else:
            layers[prefix + layer.name] = layer
    return layers


def copy_matched_layers(teacher_layers, student_layers):
    """Copy the weights of all layers of equal name and shapes.

    Values go through NumPy: on JAX, assigning one variable to another makes
    them share a buffer, which the first training step of either gives away.

    Returns:
        The sorted names of the copied layers, those with weights only.
    """
    copied = []
    for name, layer in student_layers.items():
        source = teacher_layers.get(name)
        if source is None or not layer.weights:
            continue
        values = _saved_values(source)
        if _shapes(values) == _shapes(_saved_values(layer)):
            for part, own in zip(layer._flatten_layers(), values, strict=True):
                part.load_own_variables(own)
            copied.append(name)
    return sorted(copied)


def _saved_values(layer):
    """What the layer and each layer inside it would write to a file.

    Unlike the plain weights that is the sum of a kernel and its LoRA.
    """
    stores = []
    for part in layer._flatten_layers():
        store = {}
        part.save_own_variables(store)
        stores.append(
            {
                key: np.array(keras.ops.convert_to_numpy(value))
                for key, value in store.items()
            }
        )
    return stores


def _shapes(stores):
    return [
        {key: value.shape for key, value in store.items()} for store in stores
    ]


def set_dense_weights(student_layers, name, weights):
    """Put gathered weights into `<name>_up` and `<name>_down`."""
    if weights.gate_kernel is not None:
        raise ValueError(
            f"The student's layer {name!r} has no gate. Received: gathered "
            "weights with a `gate_kernel` of shape "
            f"{weights.gate_kernel.shape}."
        )
    student_layers[f"{name}_up"].set_weights(
        [weights.up_kernel, weights.up_bias]
    )
    student_layers[f"{name}_down"].set_weights(
        [weights.down_kernel, weights.down_bias]
    )
