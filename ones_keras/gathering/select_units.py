import numpy as np

from ones_keras.gathering.expert_weights import hidden_units
from ones_keras.gathering.least_squares_down import BLOCK
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.units import check_width, take_units


@register_method("select_units", check=check_width)
def select_units(experts, calibration, *, intermediate_dim=None):
    """The hidden units that add most to the layer's output, of all experts.

    Unit `j` of an expert adds `gate * activation_j * down[j]` to the output of
    a token, so its score is `E[gate^2 activation_j^2] * |down[j]|^2` over the
    calibration tokens. In the student nothing gates it: its row of the down
    kernel is multiplied by `E[gate activation_j^2] / E[activation_j^2]`, the
    factor that comes closest to the gate in the least squares.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.

    Returns:
        `DenseWeights`. Its details give the `units` kept of each expert.

    Raises:
        ValueError: If there are fewer hidden units than the width.

    References:
        - Our own; the score is that of activation-aware pruning, as in
          [Wanda](https://arxiv.org/abs/2306.11695), squared
    """
    width = check_width(experts, intermediate_dim)
    scores, factors = unit_scores(experts, calibration)
    strongest = np.sort(np.argsort(-scores, kind="stable")[:width])
    return take_units(
        experts,
        strongest,
        factors[strongest],
        calibration.mean_gate @ experts.down_bias,
    )


def unit_scores(experts, calibration):
    """Score and best factor of each hidden unit, two `(E * H,)` arrays."""
    scores, factors = [], []
    for index in range(experts.num_experts):
        expert = experts.expert(index)
        plain = once = twice = 0.0
        for start in range(0, len(calibration.tokens), BLOCK):
            rows = slice(start, start + BLOCK)
            hidden = hidden_units(
                calibration.tokens[rows], expert, experts.activation
            )
            gates = calibration.gates[rows, index, None]
            squares = hidden.astype("float64") ** 2
            plain = plain + squares.sum(0)
            once = once + (gates * squares).sum(0)
            twice = twice + (gates**2 * squares).sum(0)
        lengths = np.sum(expert.down_kernel.astype("float64") ** 2, axis=1)
        scores.append(twice / len(calibration.tokens) * lengths)
        # A unit that is never active has no best factor, and needs none.
        factors.append(once / np.where(plain > 0, plain, 1.0))
    return np.concatenate(scores), np.concatenate(factors)
