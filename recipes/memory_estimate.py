"""How much memory a training step takes, about."""

import dataclasses

import keras
import numpy as np
from byte_size import byte_size

from ones_keras.layers import MoEFeedForward

# Beside the weights: their gradients, and what the optimizer remembers.
_COPIES = {"adamw": 4, "lamb": 4, "sgd": 3}
_BYTES = 4


@dataclasses.dataclass(frozen=True)
class MemoryEstimate:
    """Bytes, in float32.

    Attributes:
        weights: int. With gradients and the optimizer's state, and those of a
            teacher.
        activations: int. What the forward pass of a batch leaves for the
            backward pass, were nothing fused or computed again.
    """

    weights: int
    activations: int

    def __str__(self):
        total, weights, activations = map(
            byte_size,
            (self.weights + self.activations, self.weights, self.activations),
        )
        return (
            f"about {total}: {weights} of weights, gradients and optimizer, "
            f"{activations} of a batch's activations"
        )


def estimate_memory(model, inputs, optimizer, teacher=None):
    """The memory of a training step of a functional model.

    Args:
        model: `keras.Model`.
        inputs: The `element_spec` of its inputs, of static shapes: all
            examples of a step, on all devices together.
        optimizer: string, one of `OPTIMIZERS`.
        teacher: `keras.Model` or `None`. One that is only asked; of its pass
            nothing is kept. Defaults to `None`.

    Returns:
        A `MemoryEstimate`.
    """
    values = 0
    batch = keras.tree.flatten(inputs)[0].shape[0]

    def call(layer, *args, **kwargs):
        nonlocal values
        outputs = layer(*args, **kwargs)
        for tensor in keras.tree.flatten(outputs):
            # Some layers forget how large a batch is.
            values += int(np.prod([side or batch for side in tensor.shape]))
        if args:
            values += batch * _within(layer, keras.tree.flatten(args)[0])
        return outputs

    tensors = keras.tree.map_structure(
        lambda spec, wanted: keras.Input(
            batch_shape=spec.shape, dtype=wanted.dtype, name=wanted.name
        ),
        inputs,
        model.input,
    )
    # The public way to meet every call of every layer.
    keras.models.clone_model(
        keras.Model(model.input, model.output),
        input_tensors=tensors,
        clone_function=lambda layer: layer,
        call_function=call,
    )
    weights = _COPIES[optimizer] * model.count_params()
    if teacher is not None:
        weights += teacher.count_params()
    return MemoryEstimate(
        weights=_BYTES * weights,
        activations=_BYTES * values,
    )


def _within(layer, inputs):
    """What a layer keeps of an example beside its output."""
    if isinstance(layer, keras.layers.MultiHeadAttention):
        tokens = inputs.shape[1]
        config = layer.get_config()
        width = config["num_heads"] * config["key_dim"]
        # Queries, keys, values, their mix; scores and probabilities.
        return 4 * tokens * width + 2 * config["num_heads"] * tokens**2
    if isinstance(layer, MoEFeedForward):
        tokens, width = inputs.shape[1:]
        # Hidden units before and after the activation; tokens there and back.
        rows = tokens * layer.top_k * (layer.capacity_factor or 1.0)
        return int(rows * 2 * (layer.intermediate_dim + width))
    return 0
