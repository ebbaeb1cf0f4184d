from keras import ops


def mutual_divergence(logits, computed):
    """Mean divergence of two experts' distributions for the same example.

    `1 / (K (K - 1)) sum_{i != j} KL(softmax(e_i) || softmax(e_j))` over the
    `K` experts that answer an example, averaged over the examples that two or
    more answer: deep mutual learning, in both directions.

    Args:
        logits: `(E, B, C)`. Of every expert.
        computed: `(E, B)` bool. Which of them answer.

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
    return ops.sum(several * divergences) / ops.maximum(ops.sum(several), 1.0)
