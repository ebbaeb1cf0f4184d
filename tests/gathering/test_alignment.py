"""Matching the hidden units of experts, against all permutations."""

import itertools

import numpy as np

from ones_keras.gathering.align_experts import align_experts
from tests.gathering.expert_cases import (
    DIM,
    GATED,
    HIDDEN,
    make_experts,
    output_of,
    run,
)


def shuffled_copies(gated):
    """One expert three times, its hidden units in three orders."""
    one = make_experts(num_experts=1, gated=gated)
    rng = np.random.default_rng(5)
    orders = [np.arange(HIDDEN), *(rng.permutation(HIDDEN) for _ in range(2))]

    def copies(weight, axis):
        if weight is None:
            return None
        return np.stack([np.take(weight[0], order, axis) for order in orders])

    return one, one._replace(
        up_kernel=copies(one.up_kernel, 1),
        up_bias=copies(one.up_bias, 0),
        down_kernel=copies(one.down_kernel, 0),
        down_bias=np.repeat(one.down_bias, 3, axis=0),
        gate_kernel=copies(one.gate_kernel, 1),
        gate_bias=copies(one.gate_bias, 0),
    )


@GATED
def test_alignment_undoes_any_order_of_the_units(gated):
    one, experts = shuffled_copies(gated)
    found = run("aligned_average", experts)
    for name in one._fields[:4] + (("gate_kernel",) if gated else ()):
        np.testing.assert_allclose(
            getattr(found, name), getattr(one, name)[0], atol=1e-12
        )
    plain = run("average", experts)
    assert np.abs(plain.up_kernel - one.up_kernel[0]).max() > 0.1
    assert found.details["moved"] > 0.3


@GATED
def test_alignment_is_the_best_of_all_permutations(gated):
    experts = make_experts(seed=2, num_experts=2, hidden=4, gated=gated)
    aligned, _ = align_experts(experts, reference=1)

    def distance(weights):
        pairs = [weights.up_kernel, weights.up_bias]
        pairs += [np.swapaxes(weights.down_kernel, 1, 2)]
        if gated:
            pairs += [weights.gate_kernel, weights.gate_bias]
        return sum(np.sum((pair[0] - pair[1]) ** 2) for pair in pairs)

    def permuted(order):
        def take(weight, axis):
            weight = weight.copy()
            weight[0] = np.take(weight[0], order, axis)
            return weight

        changed = {
            "up_kernel": take(experts.up_kernel, 1),
            "up_bias": take(experts.up_bias, 0),
            "down_kernel": take(experts.down_kernel, 0),
        }
        if gated:
            changed["gate_kernel"] = take(experts.gate_kernel, 1)
            changed["gate_bias"] = take(experts.gate_bias, 0)
        return experts._replace(**changed)

    best = min(
        distance(permuted(list(order)))
        for order in itertools.permutations(range(4))
    )
    np.testing.assert_allclose(distance(aligned), best)
    # The function of an expert does not depend on the order.
    tokens = np.random.default_rng(0).normal(size=(9, DIM))
    for index in range(2):
        np.testing.assert_allclose(
            output_of(aligned.expert(index), tokens, experts.activation),
            output_of(experts.expert(index), tokens, experts.activation),
            rtol=1e-4,
            atol=1e-4,
        )


def test_frequency_average_aligned_to_the_most_used(experts, calibration):
    found = run("frequency_average", experts, calibration, align=True)
    reference = int(np.argmax(calibration.load))
    aligned, moved = align_experts(experts, reference)
    expected = run("frequency_average", aligned, calibration)
    np.testing.assert_allclose(found.up_kernel, expected.up_kernel)
    assert found.details["moved"] == moved > 0
