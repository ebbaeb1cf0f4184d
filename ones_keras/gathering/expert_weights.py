from typing import NamedTuple

import numpy as np


class ExpertWeights(NamedTuple):
    """The experts of one MoE layer, as every gathering method sees them.

    Attributes:
        up_kernel: `(E, D, H)` float array.
        up_bias: `(E, H)`.
        down_kernel: `(E, H, D)`.
        down_bias: `(E, D)`.
        top_k: int. How many of the experts a token uses.
    """

    up_kernel: np.ndarray
    up_bias: np.ndarray
    down_kernel: np.ndarray
    down_bias: np.ndarray
    top_k: int

    @classmethod
    def from_layer(cls, layer):
        """Copies of the weights of a `MoEFeedForward` layer, in float64."""
        weights = (
            layer.up_kernel,
            layer.up_bias,
            layer.down_kernel,
            layer.down_bias,
        )
        return cls(
            *(np.array(weight.numpy(), "float64") for weight in weights),
            top_k=layer.top_k,
        )


class DenseWeights(NamedTuple):
    """The feed-forward layer that a method gathers the experts into.

    Attributes:
        up_kernel: `(D, H)` float array.
        up_bias: `(H,)`.
        down_kernel: `(H, D)`.
        down_bias: `(D,)`.
        details: dict for the report, JSON-serialisable.
    """

    up_kernel: np.ndarray
    up_bias: np.ndarray
    down_kernel: np.ndarray
    down_bias: np.ndarray
    details: dict
