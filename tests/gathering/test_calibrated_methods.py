"""Methods that look at data, each against loops or a solver of NumPy."""

import itertools

import numpy as np
import pytest

from tests.gathering.expert_cases import (
    DIM,
    EXPERTS,
    GATED,
    HIDDEN,
    calibrate_by_hand,
    hidden_of,
    make_experts,
    output_of,
    run,
)


def test_frequency_average_by_loop(experts, calibration):
    found = run("frequency_average", experts, calibration)
    shares = calibration.load / (2 * len(calibration.tokens))
    for name in ("up_kernel", "up_bias", "down_kernel", "down_bias"):
        expected = sum(
            share * weight
            for share, weight in zip(
                shares, getattr(experts, name), strict=True
            )
        )
        np.testing.assert_allclose(getattr(found, name), expected)
    assert found.details["weights"] == pytest.approx(shares.tolist())


def scores_by_loop(experts, calibration):
    """Frequency, cp and acp of each expert, a token at a time."""
    rows = []
    for index in range(EXPERTS):
        chosen = calibration.gates[:, index] > 0
        gates = calibration.gates[chosen, index].astype("float64")
        outputs = output_of(
            experts.expert(index),
            calibration.tokens[chosen],
            experts.activation,
        )
        lengths = np.mean([output @ output for output in outputs])
        rows.append((chosen.sum(), gates.mean(), gates.mean() * lengths**0.5))
    return np.array(rows).T


@pytest.mark.parametrize("position", [0, 1, 2])
def test_experts_are_ranked_by_their_score(position):
    # The three scores give three orders.
    experts = make_experts(seed=6)
    calibration = calibrate_by_hand(experts)
    name = ("frequency", "cp", "acp")[position]
    scores = scores_by_loop(experts, calibration)[position]
    found = run(
        "select_experts",
        experts,
        calibration,
        score=name,
        intermediate_dim=EXPERTS * HIDDEN,
    )
    assert found.details["experts"] == np.argsort(-scores).tolist()
    found = run("select_experts", experts, calibration, score=name)
    (best,) = found.details["experts"]
    # A single expert, at one over one.
    np.testing.assert_array_equal(found.up_kernel, experts.up_kernel[best])
    np.testing.assert_array_equal(found.down_kernel, experts.down_kernel[best])


def test_do_acp_is_the_greedy_largest_determinant():
    experts = make_experts(seed=4, num_experts=5)
    # Two of the same: once one is in, the other adds nothing.
    experts = experts._replace(
        **{
            name: np.concatenate([weight[:4], weight[:1]])
            for name, weight in zip(
                experts._fields[:4], experts[:4], strict=True
            )
        }
    )
    calibration = calibrate_by_hand(experts)
    found = run(
        "select_experts", experts, calibration, intermediate_dim=5 * HIDDEN
    )
    outputs = np.array(
        [
            output_of(
                experts.expert(index), calibration.tokens, experts.activation
            ).ravel()
            for index in range(5)
        ]
    )
    lengths = np.linalg.norm(outputs, axis=1)
    cosines = outputs @ outputs.T / np.outer(lengths, lengths)
    worth = []
    for index in range(5):
        chosen = calibration.gates[:, index] > 0
        own = outputs[index].reshape(-1, DIM)[chosen]
        worth.append(
            calibration.gates[chosen, index].mean()
            * np.sqrt(np.mean(np.sum(own**2, axis=1)))
        )
    kernel = np.sqrt(np.outer(worth, worth)) * cosines
    order = []
    while len(order) < 4:
        order.append(
            max(
                set(range(5)) - set(order),
                key=lambda index: np.linalg.det(
                    kernel[np.ix_([*order, index], [*order, index])]
                ),
            )
        )
    assert found.details["experts"][:4] == order
    assert len({0, 4} & set(order)) == 1


@pytest.mark.parametrize("down_scale", ["count", "gate"])
def test_selected_experts_side_by_side_add_up(down_scale, experts, calibration):
    found = run(
        "select_experts",
        experts,
        calibration,
        down_scale=down_scale,
        intermediate_dim=2 * HIDDEN,
    )
    taken = found.details["experts"]
    means = calibration.gates.mean(0, dtype="float64")
    factors = [0.5, 0.5] if down_scale == "count" else means[taken]
    expected = sum(
        factor
        * output_of(
            experts.expert(index), calibration.tokens, experts.activation
        )
        for factor, index in zip(factors, taken, strict=True)
    )
    np.testing.assert_allclose(
        output_of(found, calibration.tokens, experts.activation),
        expected,
        rtol=1e-4,
        atol=1e-4,
    )


def test_an_expert_that_does_not_fit_gives_its_strongest_units(
    experts, calibration
):
    found = run("select_experts", experts, calibration, intermediate_dim=11)
    first, second = found.details["experts"]
    assert found.details["units"][first] == HIDDEN
    assert found.details["units"][second] == 3
    lengths = np.linalg.norm(experts.up_kernel[second], axis=0)
    lengths = lengths * np.linalg.norm(experts.down_kernel[second], axis=1)
    kept = np.sort(np.argsort(-lengths)[:3])
    np.testing.assert_array_equal(
        found.up_kernel[:, HIDDEN:], experts.up_kernel[second][:, kept]
    )


@GATED
def test_units_are_ranked_and_scaled_by_what_they_add(gated):
    experts = make_experts(gated=gated)
    calibration = calibrate_by_hand(experts)
    found = run("select_units", experts, calibration)
    scores, factors = {}, {}
    for index, unit in itertools.product(range(EXPERTS), range(HIDDEN)):
        hidden = hidden_of(
            experts.expert(index), calibration.tokens, experts.activation
        )[:, unit]
        gate = calibration.gates[:, index].astype("float64")
        down = experts.down_kernel[index][unit]
        contributions = np.outer(gate * hidden, down)
        scores[index, unit] = np.sum(contributions**2)
        # The one factor that brings the ungated unit closest to that.
        alone = np.outer(hidden, down).ravel()
        factors[index, unit] = np.linalg.lstsq(
            alone[:, None], contributions.ravel(), rcond=None
        )[0][0]
    best = sorted(sorted(scores, key=scores.get)[-HIDDEN:])
    for column, (index, unit) in enumerate(best):
        np.testing.assert_array_equal(
            found.up_kernel[:, column], experts.up_kernel[index][:, unit]
        )
        np.testing.assert_allclose(
            found.down_kernel[column],
            factors[index, unit] * experts.down_kernel[index][unit],
            rtol=1e-4,
        )
    counts = [sum(index == e for e, _ in best) for index in range(EXPERTS)]
    assert found.details["units"] == counts
    np.testing.assert_allclose(
        found.down_bias,
        calibration.gates.mean(0) @ experts.down_bias,
        rtol=1e-5,
    )


def test_units_of_an_idle_expert_are_not_kept():
    experts = make_experts()
    calibration = calibrate_by_hand(experts, idle=[1])
    for method in ("select_units", "frequency_average"):
        found = run(method, experts, calibration)
        kept = found.details.get("units") or found.details["weights"]
        assert kept[1] == 0
        assert np.isfinite(found.down_kernel).all()


def test_an_idle_expert_that_is_taken_all_the_same_is_said(caplog):
    experts = make_experts()
    calibration = calibrate_by_hand(experts, idle=[1])
    found = run(
        "select_experts",
        experts,
        calibration,
        intermediate_dim=EXPERTS * HIDDEN,
    )
    assert found.details["experts"][-1] == 1
    assert np.isfinite(found.down_kernel).all()
    assert "[1] are taken although no calibration token" in caplog.text


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("select_experts", {"score": "use"}, "`score='use'`"),
        ("select_experts", {"down_scale": 1}, "`down_scale=1`"),
        ("select_units", {"intermediate_dim": 25}, "at most .* 24"),
        ("least_squares", {"selection": "svdd"}, "`selection='svdd'`"),
        ("least_squares", {"selection": "switch"}, "that gathers"),
        (
            "least_squares",
            {"selection": "svd", "intermediate_dim": 9},
            "`intermediate_dim=9`",
        ),
        ("least_squares", {"ridge": 0}, "`ridge=0`"),
        ("matching_pursuit", {"max_candidates": 0}, "`max_candidates=0`"),
        ("layer_fit", {"start": "random"}, "`start='random'`"),
        ("layer_fit", {"steps": 0}, "`steps=0`"),
        ("layer_fit", {"learning_rate": -1}, "`learning_rate=-1`"),
        ("frequency_average", {"down_scale": 0}, "`down_scale=0`"),
    ],
)
def test_bad_options_are_named(method, options, message, experts, calibration):
    with pytest.raises(ValueError, match=message):
        run(method, experts, calibration, **options)


@pytest.mark.parametrize(
    ("method", "needed"),
    [("least_squares", 9), ("matching_pursuit", 9), ("layer_fit", 16)],
)
def test_too_few_tokens_say_how_many_are_needed(method, needed, experts):
    many = calibrate_by_hand(experts, num_tokens=400)
    options, given = {}, many
    if method == "layer_fit":
        options = {"start": "average", "steps": 1}
        # Beside those that it holds out itself.
        given, _ = many.split(10)
    enough = np.isin(many.examples, given.examples[needed:], invert=True)
    few = np.isin(many.examples, given.examples[needed - 1 :], invert=True)
    with pytest.raises(
        ValueError, match=rf"at least {needed} .*Received: {needed - 1} tokens"
    ):
        run(method, experts, many._rows(few), **options)
    run(method, experts, many._rows(enough), **options)


def test_layer_fit_needs_an_example_to_stop_by(experts, calibration):
    training, _ = calibration.split(10)
    with pytest.raises(ValueError, match=r"about 20 examples.*none of them"):
        run("layer_fit", experts, training, start="average", steps=1)
