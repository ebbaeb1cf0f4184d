import numpy as np

from ones_keras.gathering.expert_weights import DenseWeights
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale
from ones_keras.gathering.units import take_units, unit_norms


@register_method("top_k")
def top_k_units(experts, *, down_scale=None, per_matrix=False):
    """Top-K knowledge gathering: the strongest hidden units of every expert.

    Each expert gives `H / E` of its hidden units (the first experts one more
    where that does not divide), and they are concatenated. A hidden unit is
    taken whole, column j of `up`, its bias and row j of `down`, so it computes
    what it computed in its expert. Its score is `|up[:, j]| * |down[j, :]|`.

    Args:
        experts: `ExpertWeights`.
        down_scale: float or `None`. Factor of the down kernel, in place of the
            gate that weighted the expert. Defaults to `None`, which is
            `1 / num_experts`: a token's gates add up to 1 or less, so that is
            the most the gate of an expert can be in the mean over all tokens,
            when the experts are loaded alike. Measured in docs/down_scale.md.
        per_matrix: bool. The other possible reading of the paper: the columns
            of largest norm of `up` and of `down`, each matrix on its own, with
            their biases. It breaks hidden units apart. Defaults to `False`.

    Returns:
        `DenseWeights`. Its details give the `units` kept of each expert.

    Raises:
        ValueError: If `down_scale` is not positive, or `per_matrix` is asked of
            gated experts.

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          abstract; the formula is our reading
    """
    if down_scale is not None:
        check_scale("down_scale", down_scale)
    if down_scale is None:
        down_scale = 1 / len(experts.up_kernel)
    if per_matrix:
        if experts.gate_kernel is not None:
            raise ValueError(
                "`per_matrix` is defined for experts without a gate. Received: "
                "`per_matrix=True` and gated experts."
            )
        up = _strongest(np.linalg.norm(experts.up_kernel, axis=1))
        down = _strongest(np.linalg.norm(experts.down_kernel, axis=1))
        return DenseWeights(
            _columns(experts.up_kernel, up),
            _columns(experts.up_bias, up),
            _columns(experts.down_kernel, down) * down_scale,
            _columns(experts.down_bias, down),
            details={
                "up_columns": [len(kept) for kept in up],
                "down_columns": [len(kept) for kept in down],
                "down_scale": down_scale,
            },
        )
    width = experts.intermediate_dim
    units = [
        expert * width + kept
        for expert, kept in enumerate(_strongest(unit_norms(experts)))
    ]
    return take_units(
        experts,
        np.concatenate(units),
        down_scale,
        experts.down_bias.mean(0),
        details={"down_scale": down_scale},
    )


def _strongest(scores):
    """For each expert, in order, the indices of its share of the width."""
    num_experts, width = scores.shape
    share, extra = divmod(width, num_experts)
    return [
        np.sort(np.argsort(-own, kind="stable")[: share + (expert < extra)])
        for expert, own in enumerate(scores)
    ]


def _columns(weights, kept):
    return np.concatenate(
        [
            weight[..., index]
            for weight, index in zip(weights, kept, strict=True)
        ],
        axis=-1,
    )
