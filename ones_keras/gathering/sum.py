from ones_keras.gathering.expert_weights import DenseWeights
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale


@register_method("sum")
def sum_experts(experts, *, down_scale=1.0):
    """Sum the experts' kernels and average their biases.

    It is SVD knowledge gathering at `svd_ratio=1`, bias included (Eq. 10).

    Args:
        experts: `ExpertWeights`.
        down_scale: float. Factor of the down kernel. Defaults to `1.0`.

    Returns:
        `DenseWeights`.

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          abstract; the formula is our reading
    """
    check_scale("down_scale", down_scale)
    return DenseWeights(
        experts.up_kernel.sum(0),
        experts.up_bias.mean(0),
        experts.down_kernel.sum(0) * down_scale,
        experts.down_bias.mean(0),
        details={},
    )
