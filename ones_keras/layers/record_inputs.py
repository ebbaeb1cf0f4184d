import contextlib
from typing import Any, NamedTuple

import keras

from ones_keras.layers.moe_feed_forward import MoEFeedForward


class LayerCall(NamedTuple):
    """One call of a MoE layer.

    Attributes:
        tokens: `(T, D)` tensor.
        mask: `(T,)` tensor or `None`.
        outputs: `(T, D)` tensor. What the experts make of the tokens.
    """

    tokens: Any
    mask: Any
    outputs: Any


def find_moe_layers(model):
    """All `MoEFeedForward` layers of a model, at any depth, each once."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, MoEFeedForward)
    ]


@contextlib.contextmanager
def record_inputs(layers, replacements=None):
    """Record what reaches MoE layers while a model runs eagerly.

    It watches the calls rather than tapping the graph, so that shared layers
    give every call, nested models are no special case and the padding mask is
    the one the layer saw.

    Args:
        layers: list of `MoEFeedForward`.
        replacements: dict from layer to callable, or `None`. Functions of the
            tokens `(..., D)` whose values the model goes on with, in place of
            the layers' own outputs. Defaults to `None`.

    Yields:
        A dict from layer to the list of its `LayerCall`s.
    """
    calls = {layer: [] for layer in layers}
    replacements = replacements or {}

    def replacer(function):
        return lambda inputs, mask=None, training=None: function(inputs)

    def recorder(layer, call, go_on):
        def recording_call(inputs, mask=None, training=None):
            outputs = call(inputs, mask=mask, training=training)
            flat_mask = mask
            if mask is not None:
                flat_mask = keras.ops.reshape(mask, (-1,))
            calls[layer].append(
                LayerCall(_tokens(inputs), flat_mask, _tokens(outputs))
            )
            return outputs if go_on is None else go_on(inputs)

        return recording_call

    watched = {
        layer: replacer(function) for layer, function in replacements.items()
    }
    for layer in layers:
        watched[layer] = recorder(layer, layer.call, replacements.get(layer))
    # Keras' own `__setattr__` would refuse or track the function.
    for layer, call in watched.items():
        object.__setattr__(layer, "call", call)
    try:
        yield calls
    finally:
        for layer in watched:
            object.__delattr__(layer, "call")


def _tokens(tensor):
    return keras.ops.reshape(tensor, (-1, tensor.shape[-1]))
