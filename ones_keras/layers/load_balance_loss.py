from keras import ops

from ones_keras.layers.dispatch.one_device import alone


def load_balance_loss(probabilities, load, mask=None, sum_all=alone):
    """Load-balance loss of a router, `E * sum_i m_i P_i`.

    `m_i` is expert i's share of the routed (token, choice) pairs and `P_i` its
    mean router probability, so that uniform routing gives 1 for every `top_k`:
    the paper's `m_i` counts tokens and would give `top_k`; dividing by `top_k`
    follows WideNet's code. 1 is not a lower bound. Padding is not counted, and
    a batch of nothing but padding gives 0.

    Args:
        probabilities: `(T, E)` float32 router probabilities.
        load: `(E,)` int32. Pairs sent to each expert, dropped ones included.
        mask: `(T,)` bool or `None`. False marks padding.
        sum_all: callable. Sums values over all devices that have a part of the
            batch. Defaults to one that returns them.

    Returns:
        Scalar float32.

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          Eq. 3-5
    """
    num_experts = probabilities.shape[-1]
    if mask is None:
        counted = ops.cast(ops.shape(probabilities)[0], "float32")
        total = ops.sum(probabilities, axis=0)
    else:
        valid = ops.cast(mask, "float32")
        counted = ops.sum(valid)
        total = ops.sum(probabilities * valid[:, None], axis=0)
    total, counted, load = sum_all(total, counted, ops.cast(load, "float32"))
    mean_probability = total / ops.maximum(counted, 1.0)
    share = load / ops.maximum(ops.sum(load), 1.0)
    return num_experts * ops.sum(share * mean_probability)
