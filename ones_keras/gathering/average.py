from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale, scale_down


@register_method("average")
def average_experts(experts, *, down_scale=1.0):
    """Average the experts' kernels and biases.

    Args:
        experts: `ExpertWeights`.
        down_scale: float. Factor of the down kernel. Defaults to `1.0`.

    Returns:
        `DenseWeights`.

    Raises:
        ValueError: If `down_scale` is not positive.

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          abstract; the formula is our reading
    """
    check_scale("down_scale", down_scale)
    mean = experts.combine(lambda stack: stack.mean(0, dtype="float64"))
    return scale_down(mean, down_scale)
