"""Least squares and matching pursuit, against regressions by QR."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gathering.expert_cases import (
    DIM,
    EXPERTS,
    GATED,
    HIDDEN,
    calibrate_by_hand,
    hidden_of,
    make_experts,
    run,
    squared_error,
)


def regression(hidden, outputs):
    """Least squares with a constant, by QR: another route than the moments."""
    columns = np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)
    solution, _, _, _ = np.linalg.lstsq(columns, outputs, rcond=None)
    return solution[:-1], solution[-1]


@pytest.mark.parametrize(
    "selection", ["select_units", "average", "top_k", "svd", "select_experts"]
)
def test_least_squares_is_the_regression(selection, experts, calibration):
    found = run(
        "least_squares",
        experts,
        calibration,
        selection=selection,
        ridge=1e-12,
    )
    arguments = [experts]
    if selection.startswith("select"):
        arguments.append(calibration)
    chosen = run(selection, *arguments)
    np.testing.assert_array_equal(found.up_kernel, chosen.up_kernel)
    kernel, bias = regression(
        hidden_of(chosen, calibration.tokens, experts.activation),
        calibration.outputs.astype("float64"),
    )
    np.testing.assert_allclose(found.down_kernel, kernel, atol=2e-3)
    np.testing.assert_allclose(found.down_bias, bias, atol=2e-3)
    before = squared_error(chosen, experts, calibration)
    assert squared_error(found, experts, calibration) < before


def test_ridge_is_the_penalised_regression(experts, calibration):
    penalty = 0.1
    found = run(
        "least_squares",
        experts,
        calibration,
        selection="select_units",
        ridge=penalty,
    )
    chosen = run("select_units", experts, calibration)
    hidden = hidden_of(chosen, calibration.tokens, experts.activation)
    centred = hidden - hidden.mean(0)
    # As so many more observations of zero.
    weight = np.sqrt(penalty * np.mean(np.sum(centred**2, axis=0)))
    targets = calibration.outputs - calibration.outputs.mean(0)
    kernel, _, _, _ = np.linalg.lstsq(
        np.concatenate([centred, weight * np.eye(HIDDEN)]),
        np.concatenate([targets, np.zeros((HIDDEN, DIM))]),
        rcond=None,
    )
    np.testing.assert_allclose(found.down_kernel, kernel, atol=1e-4)


@pytest.mark.parametrize("method", ["least_squares", "matching_pursuit"])
def test_units_that_do_not_vary_are_no_trouble(method, experts, calibration):
    """Their Gram matrix is what rounding leaves, of either sign."""
    for token in calibration.tokens[:5]:
        same = calibration._replace(
            tokens=np.broadcast_to(token, calibration.tokens.shape),
            outputs=np.broadcast_to(
                calibration.outputs[0], calibration.outputs.shape
            ),
        )
        found = run(method, experts, same)
        error = squared_error(found, experts, same)
        assert error < 1e-6 * np.sum(calibration.outputs**2)


def test_units_that_are_the_same_are_no_trouble(calibration):
    experts = make_experts(num_experts=1)
    twice = experts._replace(
        **{
            name: np.concatenate([weight] * EXPERTS)
            for name, weight in zip(
                experts._fields[:4], experts[:4], strict=True
            )
        }
    )
    found = run(
        "matching_pursuit",
        twice,
        calibration,
        ridge=1e-30,
        intermediate_dim=2 * HIDDEN,
    )
    single = run("matching_pursuit", experts, calibration, ridge=1e-30)
    assert squared_error(found, twice, calibration) == pytest.approx(
        squared_error(single, experts, calibration), rel=1e-3
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 6))
def test_matching_pursuit_takes_the_best_unit_each_time(seed, width):
    experts = make_experts(seed, num_experts=2, hidden=4)
    calibration = calibrate_by_hand(experts, num_tokens=60, seed=seed)
    found = run(
        "matching_pursuit",
        experts,
        calibration,
        ridge=1e-9,
        intermediate_dim=width,
    )
    hidden = np.concatenate(
        [
            hidden_of(
                experts.expert(index), calibration.tokens, experts.activation
            )
            for index in range(2)
        ],
        axis=1,
    )
    outputs = calibration.outputs.astype("float64")

    def error(units):
        kernel, bias = regression(hidden[:, units], outputs)
        return np.sum((hidden[:, units] @ kernel + bias - outputs) ** 2)

    chosen = []
    for _ in range(width):
        rest = sorted(set(range(8)) - set(chosen))
        chosen.append(min(rest, key=lambda unit: error([*chosen, unit])))
    counts = [sum(unit // 4 == e for unit in chosen) for e in range(2)]
    assert found.details["units"] == counts
    columns = np.concatenate(list(experts.up_kernel), axis=1)
    np.testing.assert_array_equal(found.up_kernel, columns[:, sorted(chosen)])
    np.testing.assert_allclose(
        squared_error(found, experts, calibration),
        error(sorted(chosen)),
        rtol=1e-3,
    )


@GATED
def test_matching_pursuit_finds_the_units_that_made_the_outputs(gated):
    experts = make_experts(seed=7, gated=gated)
    calibration = calibrate_by_hand(experts)
    rng = np.random.default_rng(1)
    every = [
        hidden_of(experts.expert(index), calibration.tokens, experts.activation)
        for index in range(EXPERTS)
    ]
    planted = [(0, 2), (0, 5), (1, 1), (2, 7)]
    outputs = sum(
        np.outer(every[index][:, unit], rng.normal(size=DIM))
        for index, unit in planted
    )
    calibration = calibration._replace(outputs=(outputs + 1).astype("float32"))
    found = run(
        "matching_pursuit",
        experts,
        calibration,
        ridge=1e-8,
        intermediate_dim=4,
    )
    for column, (index, unit) in enumerate(planted):
        np.testing.assert_array_equal(
            found.up_kernel[:, column], experts.up_kernel[index][:, unit]
        )
    np.testing.assert_allclose(found.down_bias, 1.0, atol=1e-2)
    assert squared_error(found, experts, calibration) < 1e-3 * np.sum(
        outputs**2
    )


def test_matching_pursuit_among_the_strongest_candidates(experts, calibration):
    found = run("matching_pursuit", experts, calibration, max_candidates=HIDDEN)
    strongest = run("select_units", experts, calibration)
    np.testing.assert_array_equal(found.up_kernel, strongest.up_kernel)
