import numpy as np
from absl import logging

from ones_keras.gathering.expert_weights import hidden_units
from ones_keras.gathering.least_squares_down import (
    check_down_tokens,
    least_down_tokens,
    moments,
    solve_down,
)
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale
from ones_keras.gathering.select_units import unit_scores
from ones_keras.gathering.units import check_width, take_units
from ones_keras.validation import check_positive_int


def _check(experts, intermediate_dim, ridge, max_candidates):
    check_scale("ridge", ridge)
    check_positive_int("max_candidates", max_candidates)
    check_width(experts, intermediate_dim)


@register_method(
    "matching_pursuit", check=_check, least_tokens=least_down_tokens
)
def matching_pursuit(
    experts,
    calibration,
    *,
    ridge=1e-4,
    max_candidates=8192,
    intermediate_dim=None,
):
    """Hidden units chosen one by one, each for what the others leave open.

    Greedy orthogonal matching pursuit on the calibration tokens: the next unit
    is the one that, with the down kernel refitted to all that are chosen by
    then, lowers the squared distance from the MoE layer's output most. It ends
    with the down kernel of `"least_squares"`.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        ridge: float. As in `"least_squares"`. Defaults to `1e-4`.
        max_candidates: int. If the experts have more hidden units together,
            those of the highest score of `"select_units"` are candidates. `M`
            candidates take up to `24 * M ** 2` bytes. Defaults to `8192`.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.

    Returns:
        `DenseWeights`. Its details give the `units` kept of each expert.

    Raises:
        ValueError: If an option or the width cannot be, or if there are fewer
            tokens than the width plus one.

    References:
        - [Orthogonal least squares methods and their application to
          non-linear system identification](
          https://doi.org/10.1080/00207178908953472)
    """
    _check(experts, intermediate_dim, ridge, max_candidates)
    width = intermediate_dim or experts.intermediate_dim
    check_down_tokens(experts, width, calibration)
    units = np.arange(experts.num_experts * experts.intermediate_dim)
    max_candidates = max(max_candidates, width)
    if len(units) > max_candidates:
        logging.warning(
            "gather: matching pursuit looks at the %d strongest of %d hidden "
            "units (`max_candidates`).",
            max_candidates,
            len(units),
        )
        scores, _ = unit_scores(experts, calibration)
        strongest = np.argsort(-scores, kind="stable")
        units = np.sort(strongest[:max_candidates])

    no_bias = np.zeros(experts.down_bias.shape[1])
    candidates = take_units(experts, units, 1.0, no_bias)
    found = moments(
        lambda tokens: hidden_units(tokens, candidates, experts.activation),
        calibration.tokens,
        calibration.outputs,
    )
    order = _pursue(found, width, ridge)
    chosen = np.sort(order)
    kernel, bias = solve_down(found.of(chosen), ridge)
    taken = take_units(experts, units[chosen], 1.0, bias)
    return taken._replace(down_kernel=kernel)


def _pursue(found, width, ridge):
    """The indices of `width` candidates, in the order they are chosen.

    A Cholesky factorisation of the Gram matrix with pivots: after each, what
    is left of a unit is its part orthogonal to the chosen ones. With `c` its
    inner product with the outputs and `v` its square, choosing it lowers the
    squared error by `|c|^2 / v`.
    """
    gram, cross = found.gram, found.cross.copy()
    # The penalty keeps units that the chosen ones explain from being divided
    # by nothing.
    penalty = found.penalty(ridge)
    left = np.diag(gram) + penalty
    factors = np.zeros((len(gram), width))
    free = np.ones(len(gram), bool)
    chosen = []
    for step in range(width):
        gains = np.where(free, np.sum(cross**2, axis=1) / left, -1.0)
        best = int(np.argmax(gains))
        column = gram[:, best] - factors[:, :step] @ factors[best, :step]
        column[best] += penalty
        column /= np.sqrt(left[best])
        factors[:, step] = column
        cross -= np.outer(column, cross[best] / column[best])
        left = np.maximum(left - column**2, penalty)
        free[best] = False
        chosen.append(best)
    return np.array(chosen)
