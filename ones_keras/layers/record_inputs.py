import contextlib

import keras

from ones_keras.layers.moe_feed_forward import MoEFeedForward


def find_moe_layers(model):
    """All `MoEFeedForward` layers of a model, at any depth, each once."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, MoEFeedForward)
    ]


@contextlib.contextmanager
def record_inputs(layers):
    """Record the tokens that reach MoE layers while a model runs eagerly.

    It watches the calls rather than tapping the graph, so that shared layers
    give every call, nested models are no special case and the padding mask is
    the one the layer saw.

    Args:
        layers: list of `MoEFeedForward`.

    Yields:
        A dict from layer to the list of its calls, each a tuple of the
        tokens `(T, D)` and their mask `(T,)` or `None`.
    """
    calls = {layer: [] for layer in layers}

    def recorder(layer, call):
        def recording_call(inputs, mask=None, training=None):
            tokens = keras.ops.reshape(inputs, (-1, inputs.shape[-1]))
            flat_mask = mask
            if mask is not None:
                flat_mask = keras.ops.reshape(mask, (-1,))
            calls[layer].append((tokens, flat_mask))
            return call(inputs, mask=mask, training=training)

        return recording_call

    # Keras' own `__setattr__` would refuse or track the function.
    for layer in layers:
        object.__setattr__(layer, "call", recorder(layer, layer.call))
    try:
        yield calls
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
