"""Small experts, and calibration of them computed token by token."""

import numpy as np
import pytest
from scipy import special

from ones_keras.gathering import METHODS, Calibration, ExpertWeights
from tests.gradients import to_numpy

EXPERTS, DIM, HIDDEN = 3, 5, 8
GATED = pytest.mark.parametrize("gated", [False, True])


def make_experts(seed=0, num_experts=EXPERTS, hidden=HIDDEN, gated=False):
    rng = np.random.default_rng(seed)
    experts = ExpertWeights(
        rng.normal(size=(num_experts, DIM, hidden)),
        rng.normal(size=(num_experts, hidden)),
        rng.normal(size=(num_experts, hidden, DIM)),
        rng.normal(size=(num_experts, DIM)),
        top_k=2,
    )
    if not gated:
        return experts
    return experts._replace(
        gate_kernel=rng.normal(size=(num_experts, DIM, hidden)),
        gate_bias=rng.normal(size=(num_experts, hidden)),
    )


def run(name, *arguments, **options):
    return METHODS[name].gather_layer(*arguments, **options)


def hidden_of(weights, tokens, activation):
    """What the down kernel is given, in float32 as the models compute it."""
    up = tokens @ weights.up_kernel + weights.up_bias
    if weights.gate_kernel is None:
        return to_numpy(activation(up.astype("float32"))).astype("float64")
    gate = tokens @ weights.gate_kernel + weights.gate_bias
    return to_numpy(activation(gate.astype("float32"))) * up


def output_of(weights, tokens, activation):
    hidden = hidden_of(weights, tokens, activation)
    return hidden @ weights.down_kernel + weights.down_bias


def calibrate_by_hand(experts, num_tokens=400, seed=0, idle=()):
    """Random tokens through one random router, two experts a token."""
    dim = experts.up_kernel.shape[1]
    tokens = np.random.default_rng(seed).normal(size=(num_tokens, dim))
    router = np.random.default_rng(99).normal(size=(dim, experts.num_experts))
    logits = tokens @ router
    logits[:, list(idle)] = -np.inf
    probabilities = special.softmax(logits, axis=-1)
    gates = np.zeros_like(probabilities)
    outputs = np.zeros((num_tokens, dim))
    every = [
        output_of(experts.expert(index), tokens, experts.activation)
        for index in range(experts.num_experts)
    ]
    for token in range(num_tokens):
        for expert in np.argsort(-probabilities[token])[:2]:
            gates[token, expert] = probabilities[token, expert]
            outputs[token] += gates[token, expert] * every[expert][token]
    return Calibration(
        tokens.astype("float32"),
        outputs.astype("float32"),
        gates.astype("float32"),
        # An example a token.
        np.random.default_rng(seed).integers(2**32, size=num_tokens),
        num_tokens=num_tokens,
        load=(gates > 0).sum(0),
        gate_sum=gates.sum(0),
    )


def squared_error(weights, experts, calibration):
    """Of the gathered layer against the MoE layer's outputs."""
    found = output_of(weights, calibration.tokens, experts.activation)
    return np.sum((found - calibration.outputs) ** 2)
