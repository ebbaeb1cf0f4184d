import numpy as np
from scipy import linalg


def truncate(kernel, ratio):
    """A matrix without its smallest singular values.

    It keeps the fewest of the largest singular values whose sum reaches `ratio`
    of the sum of all. The singular vectors of the short side are the
    eigenvectors of the Gram matrix, in float64, and the truncation is the
    projection on those kept (or what the projection on the others leaves, if
    they are fewer): no singular vector of the long side is ever computed.
    Singular values below `1e-8` of the largest are lost in rounding.

    Args:
        kernel: `(m, n)` float array.
        ratio: float in (0, 1].

    Returns:
        `(m, n)` float64 array, the number of singular values kept, and the
        share of the sum they hold.
    """
    wide = kernel.astype("float64", copy=True)
    if wide.shape[0] > wide.shape[1]:
        wide = wide.T
    squares, vectors = linalg.eigh(
        wide @ wide.T, driver="evd", overwrite_a=True, check_finite=False
    )
    values = np.sqrt(np.maximum(squares[::-1], 0.0))
    # A kernel of zeros is held by any of its values.
    held = np.cumsum(values) / (values.sum() or 1.0)
    held[-1] = 1.0
    # Rounding must not push a ratio of 1 past the last value.
    rank = min(np.searchsorted(held, ratio - 1e-12) + 1, len(values))
    if 2 * rank <= len(values):
        kept = vectors[:, len(values) - rank :]
        wide = kept @ (kept.T @ wide)
    else:
        lost = vectors[:, : len(values) - rank]
        wide -= lost @ (lost.T @ wide)
    if wide.shape != kernel.shape:
        wide = wide.T
    return wide, int(rank), float(held[rank - 1])
