import numpy as np
from scipy import optimize


def align_experts(experts, reference=0):
    """The experts with their hidden units in the order of one of them.

    The order of an expert's hidden units means nothing, so averaging unit by
    unit mixes units that have nothing to do with each other. Here the units of
    every expert are permuted to be most alike the reference's: the permutation
    of the largest sum of inner products of matched units, over up kernel, down
    kernel, biases and gate kernel together, which is the one of the least
    squared distance. The function of each expert stays what it was.

    Args:
        experts: `ExpertWeights`.
        reference: int. The expert that keeps its order. Defaults to `0`.

    Returns:
        `ExpertWeights`, and the share of the units that moved.

    References:
        - [Git Re-Basin](https://arxiv.org/abs/2209.04836), section 3.2
    """
    target = _signatures(experts, reference)
    orders = np.array(
        [
            optimize.linear_sum_assignment(
                target @ _signatures(experts, index).T, maximize=True
            )[1]
            for index in range(experts.num_experts)
        ]
    )

    def ordered(stack, axis):
        if stack is None:
            return None
        return np.stack(
            [
                np.take(array, order, axis)
                for array, order in zip(stack, orders, strict=True)
            ]
        )

    aligned = experts._replace(
        up_kernel=ordered(experts.up_kernel, axis=1),
        up_bias=ordered(experts.up_bias, axis=0),
        down_kernel=ordered(experts.down_kernel, axis=0),
        gate_kernel=ordered(experts.gate_kernel, axis=1),
        gate_bias=ordered(experts.gate_bias, axis=0),
    )
    moved = orders != np.arange(experts.intermediate_dim)
    return aligned, float(np.mean(moved))


def _signatures(experts, index):
    """`(H, ...)`: all that makes each hidden unit of one expert."""
    parts = [
        experts.up_kernel[index].T,
        experts.up_bias[index][:, None],
        experts.down_kernel[index],
    ]
    if experts.gate_kernel is not None:
        parts += [
            experts.gate_kernel[index].T,
            experts.gate_bias[index][:, None],
        ]
    return np.concatenate(parts, axis=1, dtype="float64")
