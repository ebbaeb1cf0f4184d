import numbers

import numpy as np

from ones_keras.gathering.expert_weights import DenseWeights
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.truncate import truncate

SCALES = ("none", "mean", "norm")


@register_method("svd")
def svd_gather(experts, *, svd_ratio=0.75, scale="none"):
    """SVD knowledge gathering (SVD-KG), each linear layer on its own.

    Every expert's kernel is truncated to its `K_i` largest singular values,
    `K_i` the fewest whose sum reaches `svd_ratio` of the sum of all (Eq. 11 and
    12). Concatenating the truncations as factors (Eq. 13) and multiplying them
    out (Eq. 14) adds them up: `W = sum_i U_i S_i V_i^T`. Biases are averaged
    (Eq. 10). `svd_ratio=1` is the sum of the experts.

    Args:
        experts: `ExpertWeights`.
        svd_ratio: float in (0, 1]. The paper's lambda: 0.75 for images, 0.25
            for text. Defaults to `0.75`.
        scale: `"none"`, `"mean"` or `"norm"`. Eq. 14 has no factor: `"none"`.
            `"mean"` divides the kernels by the number of experts, `"norm"`
            gives them the experts' mean Frobenius norm. Defaults to `"none"`.

    Returns:
        `DenseWeights`. Its details give the `up_rank` and `down_rank` kept of
        each expert and the share of the singular values they hold.

    Raises:
        ValueError: If `svd_ratio` is not in (0, 1], or `scale` none of these.

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          Eq. 9-14
    """
    if not isinstance(svd_ratio, numbers.Real) or not 0 < svd_ratio <= 1:
        raise ValueError(
            f"`svd_ratio` must be in (0, 1]. Received: `svd_ratio={svd_ratio}`."
        )
    if scale not in SCALES:
        raise ValueError(
            f"`scale` must be one of {SCALES}. Received: `scale={scale!r}`."
        )
    details = {}

    def gather_kernels(name, kernels):
        if kernels is None:
            return None
        kernel, ranks, shares = _gather_kernels(kernels, svd_ratio, scale)
        details[f"{name}_rank"] = ranks
        details[f"{name}_singular_share"] = shares
        return kernel

    gated = experts.gate_kernel is not None
    return DenseWeights(
        gather_kernels("up", experts.up_kernel),
        experts.up_bias.mean(0, dtype="float64"),
        gather_kernels("down", experts.down_kernel),
        experts.down_bias.mean(0, dtype="float64"),
        details,
        gather_kernels("gate", experts.gate_kernel),
        experts.gate_bias.mean(0, dtype="float64") if gated else None,
    )


def _gather_kernels(kernels, svd_ratio, scale):
    total = np.zeros(kernels.shape[1:])
    ranks, shares = [], []
    # One expert at a time, so that little more than the sum is in memory.
    for kernel in kernels:
        truncated, rank, share = truncate(kernel, svd_ratio)
        total += truncated
        ranks.append(rank)
        shares.append(share)
    if scale == "mean":
        total /= len(kernels)
    elif scale == "norm":
        norms = [np.linalg.norm(kernel) for kernel in kernels]
        total *= np.mean(norms) / (np.linalg.norm(total) or 1.0)
    return total, ranks, shares
