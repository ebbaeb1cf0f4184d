from ones_keras.gathering.least_squares_down import refit_down
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale
from ones_keras.gathering.start_method import start_weights


@register_method("least_squares")
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
            baselines, with its own default options. Defaults to
            `"matching_pursuit"`.
        ridge: float. Penalty of the squared down kernel, as a multiple of the
            mean variance of a hidden unit times the number of tokens. Defaults
            to `1e-4`.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.

    Returns:
        `DenseWeights`, with the details of the selection.

    Raises:
        ValueError: If there are fewer tokens than the width plus one.

    References:
        - Our own; the regression is textbook
    """
    check_scale("ridge", ridge)
    weights = start_weights(
        "selection", selection, experts, calibration, intermediate_dim
    )
    width = weights.down_kernel.shape[0]
    calibration.check_tokens(width + 1, f"a down kernel of {width} rows")
    return refit_down(weights, experts.activation, calibration, ridge)
