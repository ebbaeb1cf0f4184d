"""The closed-form best down kernel for given hidden units."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from ones_keras.gathering.expert_weights import hidden_units

# Rows whose hidden units are in memory at a time.
BLOCK = 4096


class Moments(NamedTuple):
    """Sums over tokens of centred hidden units `h` and outputs `y`.

    Attributes:
        gram: `(M, M)` float64. `sum h h^T`.
        cross: `(M, D)` float64. `sum h y^T`.
        hidden_mean: `(M,)` float64.
        output_mean: `(D,)` float64.
    """

    gram: np.ndarray
    cross: np.ndarray
    hidden_mean: np.ndarray
    output_mean: np.ndarray


def moments(hidden_of, tokens, outputs):
    """`Moments`, block by block.

    Args:
        hidden_of: callable from tokens `(n, D)` to hidden units `(n, M)`.
        tokens: `(N, D)` float array.
        outputs: `(N, D)` float array.
    """
    gram = cross = hidden_sum = None
    for start in range(0, len(tokens), BLOCK):
        rows = slice(start, start + BLOCK)
        hidden = hidden_of(tokens[rows]).astype("float64")
        products = hidden.T @ hidden, hidden.T @ outputs[rows], hidden.sum(0)
        if gram is None:
            gram, cross, hidden_sum = products
        else:  # In place, as these may be large.
            for total, product in zip(
                (gram, cross, hidden_sum), products, strict=True
            ):
                total += product
    hidden_mean = hidden_sum / len(tokens)
    output_mean = outputs.mean(0, dtype="float64")
    gram -= np.outer(hidden_sum, hidden_mean)
    cross -= np.outer(hidden_sum, output_mean)
    return Moments(gram, cross, hidden_mean, output_mean)


def solve_down(found, ridge):
    """Down kernel and bias of the least squared error, lightly regularised.

    Args:
        found: `Moments`.
        ridge: float. Penalty of the squared kernel, as a multiple of the mean
            variance of a hidden unit.

    Returns:
        `(M, D)` and `(D,)` float64 arrays.
    """
    width = len(found.gram)
    penalty = ridge * (np.trace(found.gram) / width or 1.0)
    gram = found.gram.copy()
    gram[np.diag_indices(width)] += penalty
    kernel = linalg.solve(gram, found.cross, assume_a="pos", overwrite_a=True)
    return kernel, found.output_mean - found.hidden_mean @ kernel


def refit_down(weights, activation, calibration, ridge):
    """`weights` with the down kernel and bias that fit the MoE layer best."""
    found = moments(
        lambda tokens: hidden_units(tokens, weights, activation),
        calibration.tokens,
        calibration.outputs,
    )
    kernel, bias = solve_down(found, ridge)
    return weights._replace(down_kernel=kernel, down_bias=bias)
