"""Methods that look at data, each against loops or a solver of NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.gathering.align_experts import align_experts
from tests.gathering.expert_cases import (
    DIM,
    EXPERTS,
    HIDDEN,
    calibrate_by_hand,
    hidden_of,
    make_experts,
    output_of,
    run,
    squared_error,
)

GATED = pytest.mark.parametrize("gated", [False, True])


@pytest.fixture
def experts():
    return make_experts()


@pytest.fixture
def calibration(experts):
    return calibrate_by_hand(experts)


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
def test_experts_are_ranked_by_their_score(position, experts, calibration):
    name = ("frequency", "cp", "acp")[position]
    found = run("select_experts", experts, calibration, score=name)
    (best,) = found.details["experts"]
    assert best == np.argmax(scores_by_loop(experts, calibration)[position])
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


FIT = {"steps": 500, "batch_size": 64}


@GATED
def test_layer_fit_improves_on_its_start_on_fresh_tokens(gated):
    experts = make_experts(gated=gated)
    calibration = calibrate_by_hand(experts, num_tokens=2000)
    fresh = calibrate_by_hand(experts, num_tokens=600, seed=1)
    before = run("matching_pursuit", experts, calibration)
    after = run("layer_fit", experts, calibration, **FIT)
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
    found = run("layer_fit", experts, calibration, start="average", **FIT)
    assert found.details["fit_error_before"] < 1e-4
    assert squared_error(found, experts, calibration) < 1e-6 * np.sum(
        outputs**2
    )


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
    first, again = (
        run("layer_fit", experts, calibration, **FIT) for _ in range(2)
    )
    np.testing.assert_array_equal(first.up_kernel, again.up_kernel)
    other = run("layer_fit", experts, calibration._replace(seed=1), **FIT)
    assert np.abs(other.up_kernel - first.up_kernel).max() > 0
    on = run("layer_fit", experts, calibration._replace(start=first), **FIT)
    assert on.details["fit_error"] <= first.details["fit_error"] + 1e-6


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
    few = calibrate_by_hand(experts, num_tokens=needed - 1)
    options = {"start": "average"} if method == "layer_fit" else {}
    with pytest.raises(
        ValueError, match=rf"at least {needed} .*Received: {needed - 1} tokens"
    ):
        run(method, experts, few, **options)
    run(
        "least_squares" if method == "layer_fit" else method,
        experts,
        calibrate_by_hand(experts, num_tokens=max(needed, 9)),
    )
