import numpy as np

_ROUNDING = 1e-6


def linear_cka(one, other):
    """Linear centred kernel alignment of two models' outputs.

    `|Y1' Y2|^2 / (|Y1' Y1| |Y2' Y2|)` of the centred outputs, in Frobenius
    norms: 1 for outputs that are the same up to rotation, factor and offset,
    near 0 for those that have nothing to do with each other.

    Args:
        one: array `(N, C)`. Outputs for `N` examples.
        other: array `(N, D)`. Another model's for the same examples.

    Returns:
        float in [0, 1], NaN where an output is the same for all examples.

    Raises:
        ValueError: If the arrays have not two axes, or not as many rows.

    Example:

    ```python
    outputs = np.random.normal(size=(20, 3))
    linear_cka(outputs, 2 * outputs[:, ::-1])  # 1.0
    ```

    References:
        - [Similarity of Neural Network Representations Revisited](
          https://arxiv.org/abs/1905.00414)
    """
    one, other = (np.asarray(each, "float64") for each in (one, other))
    if one.ndim != 2 or other.ndim != 2 or len(one) != len(other):
        raise ValueError(
            "Both must have two axes and as many rows. Received: shapes "
            f"{one.shape}, {other.shape}."
        )
    centred = [each - each.mean(axis=0) for each in (one, other)]
    for each, before in zip(centred, (one, other), strict=True):
        # Outputs that are all the same differ by rounding alone.
        if np.linalg.norm(each) <= _ROUNDING * np.linalg.norm(before):
            return float("nan")
    one, other = centred
    scale = np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    return float(np.linalg.norm(one.T @ other) ** 2 / scale)
