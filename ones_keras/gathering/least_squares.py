from ones_keras.gathering.least_squares_down import (
    check_down_tokens,
    least_down_tokens,
    refit_down,
)
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale
from ones_keras.gathering.start_method import check_start


def _check(experts, intermediate_dim, selection, ridge):
    check_scale("ridge", ridge)
    return check_start(
        "selection", selection, experts, intermediate_dim, {"ridge": ridge}
    )


@register_method("least_squares", check=_check, least_tokens=least_down_tokens)
def least_squares(
    experts,
    calibration,
    *,
    selection="matching_pursuit",
    ridge=1e-4,
    intermediate_dim=None,
):
    """Another method's hidden units, with the down kernel that fits them best.

    The down kernel and its bias are the ridge regression of the MoE layer's
    outputs on the hidden units, over the calibration tokens.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        selection: string. The method that gives the hidden units, any but the
            baselines, with its own default options, the ridge apart. The
            default, `"matching_pursuit"`, refits already: there this method
            is no more than that one.
        ridge: float. Penalty of the squared down kernel, as a multiple of the
            mean variance of a hidden unit times the number of tokens. Defaults
            to `1e-4`.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.

    Returns:
        `DenseWeights`, with the details of the selection.

    Raises:
        ValueError: If an option or the width cannot be, or if there are fewer
            tokens than the width plus one.

    References:
        - Our own; the regression is textbook
    """
    method, options = _check(experts, intermediate_dim, selection, ridge)
    width = intermediate_dim or experts.intermediate_dim
    check_down_tokens(experts, width, calibration)
    weights = method(experts, calibration, intermediate_dim, options)
    return refit_down(weights, experts.activation, calibration, ridge)
