"""Routings that break careless dispatch, and a NumPy oracle."""

import keras
import numpy as np

from ones_keras.layers import MoEFeedForward
from tests.gradients import to_numpy

DIM, HIDDEN = 6, 10


def softmax(logits):
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    return exp / exp.sum(-1, keepdims=True)


def numpy_moe(layer, inputs, mask=None, capacity=None, renormalize=False):
    """Eq. 1 and 2, token by token, tanh experts; an independent oracle."""
    router, up, up_bias, down, down_bias = (
        to_numpy(weight).astype("float64") for weight in layer.get_weights()[:5]
    )
    tokens = inputs.reshape(-1, inputs.shape[-1]).astype("float64")
    valid = np.ones(len(tokens), bool) if mask is None else mask.reshape(-1)
    probabilities = softmax(tokens @ router)
    chosen = np.argsort(-probabilities, axis=-1, kind="stable")[
        :, : layer.top_k
    ]
    outputs = np.zeros_like(tokens)
    used = np.zeros(layer.num_experts, int)
    for choice in range(layer.top_k):
        for index in np.flatnonzero(valid):
            expert = chosen[index, choice]
            used[expert] += 1
            if capacity is not None and used[expert] > capacity:
                continue
            gate = probabilities[index, expert]
            if renormalize:
                gate /= probabilities[index, chosen[index]].sum()
            hidden = np.tanh(tokens[index] @ up[expert] + up_bias[expert])
            outputs[index] += gate * (hidden @ down[expert] + down_bias[expert])
    return outputs.reshape(inputs.shape)


def make_layer(shape, **kwargs):
    kwargs = {"num_experts": 4, "top_k": 2, "router_noise": 0, **kwargs}
    layer = MoEFeedForward(
        intermediate_dim=HIDDEN,
        activation="tanh",
        bias_initializer=keras.initializers.RandomNormal(stddev=0.5),
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5),
        **kwargs,
    )
    layer.build(shape)
    return layer


def set_router(layer, kernel):
    layer.router_kernel.assign(np.asarray(kernel, "float32"))


def adverse_case(name, rng):
    """(layer, inputs, mask) of a routing that breaks careless dispatch."""
    shape = {
        "batch of one token": (1, DIM),
        "odd batch": (7, 13, DIM),
        "rank 4": (2, 3, 5, DIM),
    }.get(name, (3, 11, DIM))
    inputs = rng.normal(size=shape).astype("float32")
    mask = None
    options = {"top_k 1": {"top_k": 1}, "all experts chosen": {"top_k": 4}}
    layer = make_layer(shape, **options.get(name, {}))
    if name == "all to one expert":
        inputs[..., 0] = 1.0
        kernel = np.zeros((DIM, 4))
        kernel[0] = [-40, 50, -30, 40]
        set_router(layer, kernel)
    elif name == "idle expert":
        inputs[..., 0] = 1.0
        kernel = rng.normal(size=(DIM, 4))
        kernel[0, 2] = -60
        set_router(layer, kernel)
    elif name == "everything masked":
        mask = np.zeros(shape[:-1], bool)
    elif name == "half masked":
        mask = rng.random(shape[:-1]) < 0.5
    return layer, inputs, mask


ADVERSE = (
    "plain",
    "all to one expert",
    "idle expert",
    "everything masked",
    "half masked",
    "batch of one token",
    "odd batch",
    "rank 4",
    "top_k 1",
    "all experts chosen",
)
