"""The layer-wise fit: better than its start, or its start."""

import keras
import numpy as np
import pytest

from tests.gathering.expert_cases import (
    GATED,
    calibrate_by_hand,
    make_experts,
    output_of,
    run,
    squared_error,
)

FIT = {"steps": 500, "batch_size": 64}


@GATED
def test_layer_fit_improves_on_its_start_on_fresh_tokens(gated):
    experts = make_experts(gated=gated)
    calibration = calibrate_by_hand(experts, num_tokens=2000)
    fresh = calibrate_by_hand(experts, num_tokens=600, seed=1)
    before = run("matching_pursuit", experts, calibration)
    shares = []
    after = run(
        "layer_fit", experts, calibration, progress=shares.append, **FIT
    )
    # Two stretches of 250 steps.
    assert shares == [0.5, 1.0]
    error = squared_error(after, experts, fresh)
    assert error < 0.9 * squared_error(before, experts, fresh)
    found = after.details
    assert found["fit_error"] < 0.95 * found["fit_error_before"]
    assert found["units"] == before.details["units"]
    variance = np.sum((fresh.outputs - fresh.outputs.mean(0)) ** 2)
    assert found["fit_error"] == pytest.approx(
        np.sqrt(error / variance), rel=0.2
    )


def test_layer_fit_finds_a_layer_of_its_own_width():
    """A single expert used by all tokens can be fitted exactly."""
    experts = make_experts(num_experts=1)
    calibration = calibrate_by_hand(make_experts(), num_tokens=1500)
    outputs = output_of(
        experts.expert(0), calibration.tokens, experts.activation
    )
    calibration = calibration._replace(
        outputs=outputs.astype("float32"),
        gates=np.ones((1500, 1), "float32"),
        load=np.array([1500]),
        gate_sum=np.array([1500.0]),
    )
    single = run("average", experts)
    moved = single._replace(
        up_kernel=single.up_kernel + 0.1 * np.sign(single.up_kernel),
        up_bias=single.up_bias - 0.1,
    )
    found = run(
        "layer_fit",
        experts,
        calibration._replace(start=moved),
        steps=2000,
        batch_size=256,
    )
    assert found.details["fit_error_before"] > 0.05
    assert found.details["fit_error"] < 0.005
    np.testing.assert_allclose(found.up_kernel, single.up_kernel, atol=0.05)


def test_layer_fit_that_goes_wrong_gives_its_start(
    experts, calibration, caplog
):
    found = run("layer_fit", experts, calibration, learning_rate=1e3, steps=20)
    training, validation = calibration.split(10)
    start = run("matching_pursuit", experts, training)
    for one, other in zip(found[:4], start[:4], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert found.details["fit_error"] == found.details["fit_error_before"]
    assert "layer_fit brought nothing" in caplog.text
    # Neither the fit nor its start has seen what decides.
    assert not set(training.examples) & set(validation.examples)


def test_layer_fit_repeats_itself_and_takes_up_a_start(experts, calibration):
    short = {**FIT, "steps": 60}
    first = run("layer_fit", experts, calibration, **short)
    # Its own seed decides, and no other one.
    keras.utils.set_random_seed(99)
    again = run("layer_fit", experts, calibration, **short)
    np.testing.assert_array_equal(first.up_kernel, again.up_kernel)
    other = run("layer_fit", experts, calibration._replace(seed=1), **short)
    assert np.abs(other.up_kernel - first.up_kernel).max() > 0
    on = run("layer_fit", experts, calibration._replace(start=first), **short)
    # Where the first one ended, but for the way back through float64.
    np.testing.assert_allclose(
        on.details["fit_error_before"], first.details["fit_error"], rtol=1e-4
    )
