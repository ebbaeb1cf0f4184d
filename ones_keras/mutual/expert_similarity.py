import itertools

import numpy as np
from keras import ops

from ones_keras.gathering.expert_weights import ExpertWeights, hidden_units
from ones_keras.layers.record_inputs import find_moe_layers, record_inputs
from ones_keras.mutual.linear_cka import linear_cka


def expert_similarity(model, x):
    """How alike the experts of each MoE layer are, on the same tokens.

    Every expert is given all tokens that reach its layer, padding left out,
    whichever expert they are routed to; all depths of a shared layer are
    pooled.

    Args:
        model: `keras.Model` with `MoEFeedForward` layers, at any depth.
        x: A batch of inputs, a few hundred examples.

    Returns:
        dict from layer name to float: the mean of `linear_cka` over
        pairs of experts, 1 where their outputs are the same up to rotation,
        factor and offset.

    Raises:
        ValueError: If the model has no `MoEFeedForward` layer, two of one
            name, or one of a single expert.

    Example:

    ```python
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10, num_layers=1
    )
    images = np.random.uniform(0, 255, size=(8, 8, 8, 1))
    ones_keras.mutual.expert_similarity(teacher, images)["feed_forward"]
    ```
    """
    layers = find_moe_layers(model)
    if not layers:
        raise ValueError(
            "`model` must have `MoEFeedForward` layers. Received: "
            f"`model={model.name}`."
        )
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        raise ValueError(
            "The `MoEFeedForward` layers of `model` must have different names "
            f"to be told apart. Received: {names}."
        )
    alone = [layer.name for layer in layers if layer.num_experts == 1]
    if alone:
        raise ValueError(
            "A single expert has no other to be like. Received: layers of one "
            f"expert, {alone}."
        )
    with record_inputs(layers) as calls:
        model(x, training=False)
    found = {}
    for layer in layers:
        tokens = np.concatenate([_tokens(call) for call in calls[layer]])
        experts = ExpertWeights.from_layer(layer)
        outputs = []
        for index in range(experts.num_experts):
            own = experts.expert(index)
            hidden = hidden_units(tokens, own, experts.activation)
            outputs.append(hidden @ own.down_kernel + own.down_bias)
        pairs = itertools.combinations(outputs, 2)
        found[layer.name] = float(
            np.mean([linear_cka(one, other) for one, other in pairs])
        )
    return found


def _tokens(call):
    tokens = np.asarray(ops.convert_to_numpy(ops.cast(call.tokens, "float32")))
    if call.mask is None:
        return tokens
    return tokens[np.asarray(ops.convert_to_numpy(call.mask), bool)]
