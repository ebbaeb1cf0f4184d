import numbers

import numpy as np

from ones_keras.gathering.expert_weights import DenseWeights
from ones_keras.gathering.registry import register_method

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
    up, up_rank, up_share = _gather_kernels(experts.up_kernel, svd_ratio, scale)
    down, down_rank, down_share = _gather_kernels(
        experts.down_kernel, svd_ratio, scale
    )
    return DenseWeights(
        up,
        experts.up_bias.mean(0),
        down,
        experts.down_bias.mean(0),
        details={
            "up_rank": up_rank,
            "down_rank": down_rank,
            "up_singular_share": up_share,
            "down_singular_share": down_share,
        },
    )


def _gather_kernels(kernels, svd_ratio, scale):
    total = np.zeros_like(kernels[0])
    ranks, shares = [], []
    for kernel in kernels:
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        # A kernel of zeros is held by any of its values.
        held = np.cumsum(values) / (values.sum() or 1.0)
        held[-1] = 1.0
        # Rounding must not push a ratio of 1 past the last value.
        rank = min(np.searchsorted(held, svd_ratio - 1e-12) + 1, len(values))
        total += (left[:, :rank] * values[:rank]) @ right[:rank]
        ranks.append(int(rank))
        shares.append(float(held[rank - 1]))
    if scale == "mean":
        total /= len(kernels)
    elif scale == "norm":
        norms = np.linalg.norm(kernels, axis=(1, 2))
        total *= norms.mean() / (np.linalg.norm(total) or 1.0)
    return total, ranks, shares
