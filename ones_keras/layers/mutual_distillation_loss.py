from keras import ops

from ones_keras.layers.dispatch.one_device import alone


def mutual_distillation_loss(outputs, computed, sum_all=alone):
    """Mean squared distance of two experts that have the same token.

    `1 / (K (K - 1)) sum_{i != j} mean_d (e_i(x)_d - e_j(x)_d)^2` over the `K`
    experts that computed a token, averaged over the tokens that two or more
    did. For two experts it is the mean of `(e_1 - e_2)^2`, and whatever their
    number the mean over pairs, so that a weight means the same. What a token
    of one expert has to learn from is nothing, and it is not counted.

    This form is recalled, and not verified against the paper.

    Args:
        outputs: `(K, T, D)`. Of each token's experts, before the gates.
        computed: `(K, T)` bool. Which of them are: not those dropped by a
            capacity, nor padding's.
        sum_all: callable. Sums values over all devices that have a part of the
            batch. Defaults to one that returns them.

    Returns:
        Scalar float32.

    References:
        - [MoDE: A Mixture-of-Experts Model with Mutual Distillation among the
          Experts](https://arxiv.org/abs/2402.00893)
    """
    outputs = ops.cast(outputs, "float32")
    distances, several = (_of_two if outputs.shape[0] == 2 else _of_several)(
        outputs, computed
    )
    total, tokens = sum_all(
        ops.sum(distances), ops.sum(ops.cast(several, "float32"))
    )
    return total / ops.maximum(tokens, 1.0)


def _of_two(outputs, computed):
    """A token's distance, and whether it counts: in half of the passes."""
    one, other = ops.unstack(outputs, 2)
    both = ops.all(computed, axis=0)
    difference = ops.where(both[:, None], one - other, 0.0)
    return ops.mean(ops.square(difference), axis=-1), both


def _of_several(outputs, computed):
    outputs = ops.where(computed[..., None], outputs, 0.0)
    weights = ops.cast(computed, "float32")
    count = ops.sum(weights, axis=0)
    mean = ops.sum(outputs, axis=0) / ops.maximum(count, 1.0)[:, None]
    # Squares of all pairs' differences are those from the mean, K times.
    squares = ops.mean(ops.square(outputs - mean), axis=-1)
    distances = 2 * ops.sum(squares * weights, axis=0)
    return distances / ops.maximum(count - 1, 1.0), count > 1
