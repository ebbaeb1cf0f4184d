from keras import ops

from ones_keras.layers.dispatch.one_device import alone


def mutual_divergence(logits, computed, sum_all=alone):
    """Mean divergence of two experts' distributions for the same example.

    `1 / (K (K - 1)) sum_{i != j} KL(softmax(e_i) || softmax(e_j))` over the
    `K` experts that answer an example, averaged over the examples that two or
    more answer. The gradient goes to both of a pair, unlike in deep mutual
    learning, where the other's distribution is a fixed target.

    Args:
        logits: `(E, B, C)`. Of every expert.
        computed: `(E, B)` bool. Which of them answer.
        sum_all: callable. As in `mutual_distillation_loss`.

    Returns:
        Scalar float32.

    References:
        - [Deep Mutual Learning](https://arxiv.org/abs/1706.00384)
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"))
    weights = ops.cast(computed, "float32")
    weighted = weights[..., None]
    probabilities = weighted * ops.exp(log_probabilities)
    count = ops.sum(weights, axis=0)
    # Of all pairs, those of an expert with itself being 0.
    own = count * ops.sum(probabilities * log_probabilities, axis=(0, 2))
    crossed = ops.sum(
        ops.sum(probabilities, axis=0)
        * ops.sum(weighted * log_probabilities, axis=0),
        axis=-1,
    )
    divergences = (own - crossed) / ops.maximum(count * (count - 1), 1.0)
    several = ops.cast(count > 1, "float32")
    total, examples = sum_all(ops.sum(several * divergences), ops.sum(several))
    return total / ops.maximum(examples, 1.0)
