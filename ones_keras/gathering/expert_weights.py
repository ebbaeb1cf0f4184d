from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np


class DenseWeights(NamedTuple):
    """The feed-forward layer that a method gathers the experts into.

    Attributes:
        up_kernel: `(D, H)` float array.
        up_bias: `(H,)`.
        down_kernel: `(H, D)`.
        down_bias: `(D,)`.
        details: dict for the report, JSON-serialisable.
        gate_kernel: `(D, H)` of a gated layer, or `None`.
        gate_bias: `(H,)` of a gated layer, or `None`.

    Example:

    ```python
    layer = DenseWeights(
        np.ones((4, 8)), np.zeros(8), np.ones((8, 4)), np.zeros(4), details={}
    )
    halved = layer._replace(down_kernel=layer.down_kernel / 2)
    ```
    """

    up_kernel: np.ndarray
    up_bias: np.ndarray
    down_kernel: np.ndarray
    down_bias: np.ndarray
    details: dict
    gate_kernel: np.ndarray | None = None
    gate_bias: np.ndarray | None = None


class ExpertWeights(NamedTuple):
    """The experts of one MoE layer, as every gathering method sees them.

    An expert is `down(activation(up(x)))` or, where there is a gate kernel,
    `down(activation(gate(x)) * up(x))`. The arrays may be views of the
    teacher's own: a method reads them only.

    Attributes:
        up_kernel: `(E, D, H)` float array.
        up_bias: `(E, H)`.
        down_kernel: `(E, H, D)`.
        down_bias: `(E, D)`.
        top_k: int. How many of the experts a token uses.
        activation: callable on tensors of the backend.
        gate_kernel: `(E, D, H)` of gated experts, or `None`.
        gate_bias: `(E, H)` of gated experts, or `None`.

    Example:

    ```python
    layer = ones_keras.layers.MoEFeedForward(num_experts=3, intermediate_dim=8)
    layer.build((None, 4))
    experts = ExpertWeights.from_layer(layer)
    print(experts.up_kernel.shape, experts.expert(0).up_kernel.shape)
    ```
    """

    up_kernel: np.ndarray
    up_bias: np.ndarray
    down_kernel: np.ndarray
    down_bias: np.ndarray
    top_k: int
    activation: Callable = keras.activations.gelu
    gate_kernel: np.ndarray | None = None
    gate_bias: np.ndarray | None = None

    @classmethod
    def from_layer(cls, layer):
        """The weights of a `MoEFeedForward` layer, in float32 at least.

        Raises a `ValueError` if one of them is not finite.
        """
        experts = cls(
            *(
                _as_float(weight)
                for weight in (
                    layer.up_kernel,
                    layer.up_bias,
                    layer.down_kernel,
                    layer.down_bias,
                )
            ),
            top_k=layer.top_k,
            activation=layer.activation,
        )
        for name, weight in zip(cls._fields[:4], experts[:4], strict=True):
            if not np.isfinite(weight).all():
                raise ValueError(
                    f"The {name} of the layer {layer.name!r} is not finite: "
                    f"{(~np.isfinite(weight)).sum()} of its values."
                )
        return experts

    @property
    def num_experts(self):
        return self.up_kernel.shape[0]

    @property
    def intermediate_dim(self):
        """Hidden units of one expert."""
        return self.up_kernel.shape[2]

    def combine(self, kernels, biases=None, details=None):
        """One layer from every stack of weights, reduced by a function.

        Args:
            kernels: callable from a stack `(E, ...)` of kernels to one kernel.
            biases: callable for the biases, or `None`: the same.
            details: dict or `None`. For the report.

        Returns:
            `DenseWeights`.
        """
        biases = biases or kernels
        gated = self.gate_kernel is not None
        return DenseWeights(
            kernels(self.up_kernel),
            biases(self.up_bias),
            kernels(self.down_kernel),
            biases(self.down_bias),
            details=details or {},
            gate_kernel=kernels(self.gate_kernel) if gated else None,
            gate_bias=biases(self.gate_bias) if gated else None,
        )

    def expert(self, index):
        """One of the experts as `DenseWeights`."""
        return self.combine(lambda stack: stack[index])


def hidden_units(tokens, weights, activation):
    """Hidden units of a feed-forward layer, what its down kernel is given.

    Args:
        tokens: `(N, D)` float array.
        weights: `DenseWeights`.
        activation: callable on tensors of the backend.

    Returns:
        `(N, H)` float32 array.
    """
    up = _linear(tokens, weights.up_kernel, weights.up_bias)
    if weights.gate_kernel is None:
        return _activate(up, activation)
    gate = _linear(tokens, weights.gate_kernel, weights.gate_bias)
    return _activate(gate, activation) * up


def _linear(tokens, kernel, bias):
    return tokens @ kernel.astype("float32") + bias.astype("float32")


def _activate(values, activation):
    tensor = keras.ops.convert_to_tensor(values, "float32")
    return np.asarray(keras.ops.convert_to_numpy(activation(tensor)))


def _as_float(weight):
    array = np.asarray(keras.ops.convert_to_numpy(weight))
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype("float32")
