import numpy as np

from ones_keras.gathering.align_experts import align_experts
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale, scale_down


def _check(experts, intermediate_dim, align, down_scale):
    check_scale("down_scale", down_scale)


@register_method("frequency_average", check=_check)
def frequency_average(experts, calibration, *, align=False, down_scale=1.0):
    """Average the experts, each weighted by how often it is chosen.

    An expert that no calibration token chose has the weight 0.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        align: bool. Whether the experts' hidden units are first matched to
            those of the most used expert, as MC-SMoE does. Defaults to
            `False`.
        down_scale: float. Factor of the down kernel. Defaults to `1.0`.

    Returns:
        `DenseWeights`. Its details give the `weights` of the experts.

    Raises:
        ValueError: If `down_scale` is not positive.

    References:
        - [Merge, Then Compress](https://arxiv.org/abs/2310.01334) (MC-SMoE);
          the averaging is recalled, not verified
    """
    check_scale("down_scale", down_scale)
    weights = calibration.frequency
    details = {"weights": weights.tolist()}
    if align:
        reference = int(np.argmax(weights))
        experts, details["moved"] = align_experts(experts, reference)
    mean = experts.combine(
        lambda stack: np.tensordot(weights, stack, 1), details=details
    )
    return scale_down(mean, down_scale)
