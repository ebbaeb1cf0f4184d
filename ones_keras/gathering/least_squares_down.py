"""The closed-form best down kernel for given hidden units."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from ones_keras.gathering.expert_weights import hidden_units

# Rows whose hidden units are in memory at a time.
BLOCK = 4096
# Least penalty, in mean squares of a hidden unit: above what rounding leaves in
# a Gram matrix of units that do not vary, or not apart from each other.
LEAST_RIDGE = 1e-10


class Moments(NamedTuple):
    """Sums over tokens of centred hidden units `h` and outputs `y`.

    Attributes:
        gram: `(M, M)` float64. `sum h h^T`.
        cross: `(M, D)` float64. `sum h y^T`.
        hidden_mean: `(M,)` float64.
        output_mean: `(D,)` float64.
        num_tokens: int.
    """

    gram: np.ndarray
    cross: np.ndarray
    hidden_mean: np.ndarray
    output_mean: np.ndarray
    num_tokens: int

    def of(self, units):
        """The same of some of the hidden units."""
        return self._replace(
            gram=self.gram[np.ix_(units, units)],
            cross=self.cross[units],
            hidden_mean=self.hidden_mean[units],
        )

    def penalty(self, ridge):
        """What is added to the diagonal of the Gram matrix.

        `ridge` times the mean of that diagonal, or somewhat more than
        rounding, if that is larger.
        """
        mean = np.trace(self.gram) / len(self.gram)
        squares = mean + self.num_tokens * np.mean(self.hidden_mean**2)
        # Hidden units that are all zero have neither.
        return max(ridge * mean, LEAST_RIDGE * squares) or 1.0


def least_down_tokens(experts, width):
    """Equations enough for a column of the down kernel and its bias."""
    return width + 1


def check_down_tokens(experts, width, calibration):
    """Raise a `ValueError` if there are fewer tokens than that."""
    calibration.check_tokens(
        least_down_tokens(experts, width), f"a down kernel of {width} rows"
    )


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
    return Moments(gram, cross, hidden_mean, output_mean, len(tokens))


def solve_down(found, ridge):
    """Down kernel and bias of the least squared error, lightly regularised.

    Args:
        found: `Moments`.
        ridge: float. Penalty of the squared kernel, as a multiple of the mean
            variance of a hidden unit.

    Returns:
        `(M, D)` and `(D,)` float64 arrays.
    """
    gram = found.gram.copy()
    gram[np.diag_indices(len(gram))] += found.penalty(ridge)
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
