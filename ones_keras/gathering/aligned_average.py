from ones_keras.gathering.align_experts import align_experts
from ones_keras.gathering.average import average_experts
from ones_keras.gathering.registry import register_method


@register_method("aligned_average")
def aligned_average(experts, *, down_scale=1.0):
    """Average the experts after matching their hidden units to the first's.

    Args:
        experts: `ExpertWeights`.
        down_scale: float. Factor of the down kernel. Defaults to `1.0`.

    Returns:
        `DenseWeights`. Its details give the share of units that `moved`.

    Raises:
        ValueError: If `down_scale` is not positive.

    References:
        - [Git Re-Basin](https://arxiv.org/abs/2209.04836), section 3.2
    """
    aligned, moved = align_experts(experts)
    mean = average_experts(aligned, down_scale=down_scale)
    return mean._replace(details={"moved": moved})
