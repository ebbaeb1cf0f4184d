import numpy as np


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
        `(m, n)` array of the dtype of `kernel`, the number of singular values
        kept, and the share of the sum they hold.
    """
    wide = kernel if kernel.shape[0] <= kernel.shape[1] else kernel.T
    gram = wide.astype("float64")
    gram = gram @ gram.T
    squares, vectors = np.linalg.eigh(gram)
    values = np.sqrt(np.maximum(squares[::-1], 0.0))
    # A kernel of zeros is held by any of its values.
    held = np.cumsum(values) / (values.sum() or 1.0)
    held[-1] = 1.0
    # Rounding must not push a ratio of 1 past the last value.
    rank = min(np.searchsorted(held, ratio - 1e-12) + 1, len(values))
    # The rank is found in float64; a projection loses nothing in float32.
    vectors = vectors.astype(kernel.dtype)
    if 2 * rank <= len(values):
        kept = vectors[:, len(values) - rank :]
        found = kept @ (kept.T @ wide)
    else:
        lost = vectors[:, : len(values) - rank]
        found = wide - lost @ (lost.T @ wide)
    if found.shape != kernel.shape:
        found = found.T
    return found, int(rank), float(held[rank - 1])
