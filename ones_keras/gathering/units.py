"""Layers made of whole hidden units of the experts."""

import numpy as np

from ones_keras.gathering.expert_weights import DenseWeights


def unit_norms(experts):
    """`(E, H)`: the product of the norms of all that makes a hidden unit."""
    norms = np.linalg.norm(experts.up_kernel, axis=1)
    norms = norms * np.linalg.norm(experts.down_kernel, axis=2)
    if experts.gate_kernel is not None:
        norms = norms * np.linalg.norm(experts.gate_kernel, axis=1)
    return norms


def check_width(experts, intermediate_dim):
    """The width asked for, or a `ValueError` if there are fewer units."""
    units = experts.num_experts * experts.intermediate_dim
    width = intermediate_dim or experts.intermediate_dim
    if width > units:
        raise ValueError(
            "`intermediate_dim` must be at most the hidden units of all "
            f"experts of a layer together, {units}. Received: "
            f"`intermediate_dim={intermediate_dim}`."
        )
    return width


def take_units(experts, units, down_scale, down_bias, details=None):
    """The feed-forward layer of some of all the experts' hidden units.

    A hidden unit is taken whole, its column of the up (and the gate) kernel,
    its biases and its row of the down kernel, so that it computes what it
    computed in its expert.

    Args:
        experts: `ExpertWeights`.
        units: `(M,)` int array. Unit `h` of expert `e` is `e * H + h`.
        down_scale: float, or `(M,)` float array: one a unit.
        down_bias: `(D,)` float array.
        details: dict or `None`. For the report, beside the `units` kept of
            each expert.

    Returns:
        `DenseWeights` of width `M`.
    """
    expert, column = np.divmod(units, experts.intermediate_dim)

    def columns(kernels):
        return None if kernels is None else kernels[expert, :, column].T

    def entries(biases):
        return None if biases is None else biases[expert, column]

    counts = np.bincount(expert, minlength=experts.num_experts)
    scale = np.broadcast_to(down_scale, len(units))[:, None]
    return DenseWeights(
        columns(experts.up_kernel),
        entries(experts.up_bias),
        experts.down_kernel[expert, column] * scale,
        down_bias,
        details={"units": counts.tolist(), **(details or {})},
        gate_kernel=columns(experts.gate_kernel),
        gate_bias=entries(experts.gate_bias),
    )
