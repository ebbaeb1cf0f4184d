import numpy as np
from absl import logging

from ones_keras.gathering.expert_weights import hidden_units
from ones_keras.gathering.least_squares_down import BLOCK
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.units import check_width, take_units, unit_norms

SCORES = ("frequency", "cp", "acp", "do_acp")
DOWN_SCALES = ("count", "gate")


def _check(experts, intermediate_dim, score, down_scale):
    for name, value, choices in (
        ("score", score, SCORES),
        ("down_scale", down_scale, DOWN_SCALES),
    ):
        if value not in choices:
            raise ValueError(
                f"`{name}` must be one of {choices}. Received: "
                f"`{name}={value!r}`."
            )
    check_width(experts, intermediate_dim)


@register_method("select_experts", check=_check)
def select_experts(
    experts,
    calibration,
    *,
    score="do_acp",
    down_scale="count",
    intermediate_dim=None,
):
    """The experts that matter most, whole and side by side.

    The experts are taken in the order of the score until the width is filled;
    the last one gives its strongest hidden units only, by the score of
    `"top_k"`, where it does not fit whole. At the width of an expert that
    is a single expert; the source keeps `top_k` experts or more,
    `intermediate_dim=top_k * H`.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        score: What an expert is worth: `"frequency"`, how often it is chosen;
            `"cp"`, its mean gate where it is chosen (the source has the mean
            router probability, which is the same unless gates are renormalized:
            with `top_k=1` these are all 1); `"acp"`, that times the root mean
            square of its output there; `"do_acp"`, greedily the largest
            determinant of `sqrt(I_i I_j) S_ij`, with `I` the acp and `S` the
            cosine similarity of the outputs over all tokens, so that experts
            are also unlike each other. Defaults to `"do_acp"`.
        down_scale: Factor of the down kernels: `"count"`, one over the number
            of experts taken, or `"gate"`, each expert's mean gate over all
            tokens. Defaults to `"count"`, the source's.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.

    Returns:
        `DenseWeights`. Its details give the `units` kept of each expert and
        the `experts` in the order they were taken.

    Raises:
        ValueError: If an option or the width is none there is.

    References:
        - [Pruning and Distilling Mixture-of-Experts into Dense Language
          Models](https://arxiv.org/abs/2605.28207); that `S` is a cosine, and
          over which tokens the means are taken, is our reading
    """
    _check(experts, intermediate_dim, score, down_scale)
    width = intermediate_dim or experts.intermediate_dim
    count = -(-width // experts.intermediate_dim)
    taken = _order(experts, calibration, score)[:count]
    idle = [int(index) for index in taken if not calibration.load[index]]
    if idle:
        logging.warning(
            "gather: the experts %s are taken although no calibration token "
            "chose them.",
            idle,
        )
    norms = unit_norms(experts)
    units = np.concatenate(
        [
            _strongest(
                norms, index, width - position * experts.intermediate_dim
            )
            for position, index in enumerate(taken)
        ]
    )
    if down_scale == "count":
        factors = np.full(experts.num_experts, 1 / count)
    else:
        factors = calibration.mean_gate
    return take_units(
        experts,
        units,
        factors[units // experts.intermediate_dim],
        factors[taken] @ experts.down_bias[taken],
        details={"experts": [int(index) for index in taken]},
    )


def _order(experts, calibration, score):
    """The experts' indices, the most valuable first."""
    if score == "frequency":
        return np.argsort(-calibration.load, kind="stable")
    worth = calibration.mean_gate_when_chosen
    if score == "cp":
        return np.argsort(-worth, kind="stable")
    products, own_squares = _output_products(experts, calibration)
    chosen = np.maximum(np.count_nonzero(calibration.gates, axis=0), 1)
    worth = worth * np.sqrt(own_squares / chosen)
    if score == "acp":
        return np.argsort(-worth, kind="stable")
    lengths = np.sqrt(np.diag(products))
    lengths = np.where(lengths > 0, lengths, 1.0)
    cosines = products / np.outer(lengths, lengths)
    roots = np.sqrt(worth)
    return _greedy_determinant(np.outer(roots, roots) * cosines)


def _greedy_determinant(kernel):
    """Each next index makes the determinant of the chosen block largest.

    What it multiplies it by is what a Cholesky factorisation leaves of its
    diagonal entry.
    """
    left = kernel.astype("float64").copy()
    order = []
    for _ in range(len(kernel)):
        diagonal = np.diag(left).copy()
        diagonal[order] = -np.inf
        best = int(np.argmax(diagonal))
        order.append(best)
        if diagonal[best] > 1e-12:
            column = left[:, best] / np.sqrt(diagonal[best])
            left -= np.outer(column, column)
    return np.array(order)


def _output_products(experts, calibration):
    """`(E, E)` inner products of the experts' outputs over all tokens, and
    `(E,)` their squares over the tokens that chose them."""
    products = np.zeros((experts.num_experts,) * 2)
    own_squares = np.zeros(experts.num_experts)
    for start in range(0, len(calibration.tokens), BLOCK):
        rows = slice(start, start + BLOCK)
        outputs = [
            hidden_units(
                calibration.tokens[rows],
                experts.expert(index),
                experts.activation,
            )
            @ experts.down_kernel[index]
            + experts.down_bias[index]
            for index in range(experts.num_experts)
        ]
        flat = np.array([own.ravel() for own in outputs], "float64")
        products += flat @ flat.T
        for index, own in enumerate(outputs):
            chose = calibration.gates[rows, index] > 0
            own_squares[index] += np.sum(own[chose].astype("float64") ** 2)
    return products, own_squares


def _strongest(norms, index, room):
    """The flat indices of the units of one expert that have room."""
    kept = np.argsort(-norms[index], kind="stable")[:room]
    return index * norms.shape[1] + np.sort(kept)
