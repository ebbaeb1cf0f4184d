"""Which layers teacher and student share, and how their weights move."""

import keras
import numpy as np


def graph_layers(model, prefix=""):
    """The layers of a functional graph by name, nested models opened up."""
    layers = {}
    for layer in model.layers:
        if isinstance(layer, (keras.Model, keras.Sequential)):
            layers.update(graph_layers(layer, f"{prefix}{layer.name}/"))
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
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if shapes == [tuple(weight.shape) for weight in source.weights]:
            layer.set_weights([np.array(w) for w in source.get_weights()])
            copied.append(name)
    return sorted(copied)


def set_dense_weights(student_layers, name, weights):
    """Put gathered weights into `<name>_up` and `<name>_down`."""
    student_layers[f"{name}_up"].set_weights(
        [weights.up_kernel, weights.up_bias]
    )
    student_layers[f"{name}_down"].set_weights(
        [weights.down_kernel, weights.down_bias]
    )
