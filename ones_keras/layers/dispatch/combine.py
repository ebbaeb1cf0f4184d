from keras import ops


def combine(pairs, gates):
    """Sum the outputs of a token's experts, weighted by its gates.

    Args:
        pairs: `(K, T, D)`. What a pair that is not computed has does not
            matter, as long as it is finite.
        gates: `(T, K)` float32, 0 where a pair is not computed.

    Returns:
        `(T, D)`.
    """
    gates = ops.cast(ops.transpose(gates), pairs.dtype)
    return ops.sum(pairs * gates[..., None], axis=0)
