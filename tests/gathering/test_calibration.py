"""The calibration pass and what `gather` makes of it."""

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.gathering.calibration_batches import (
    CalibrationBatches,
    held_out,
)
from ones_keras.layers import MoEFeedForward
from tests.gathering.token_cases import gather, token_data, token_teacher
from tests.gradients import to_numpy


def layer_calls(model, tokens):
    """Inputs and mask of each MoE call, by hand from the layers."""
    x = model.get_layer("embedding")(tokens)
    calls = []
    for name in ("first", "second"):
        layer = model.get_layer("first")
        if name == "second" and len(model.layers) == 7:
            layer = model.get_layer("second")
        calls.append((layer, to_numpy(x)))
        x = x + layer(x, mask=tokens != 0)
    return calls


@pytest.mark.parametrize("batch_size", [30, 4])
def test_statistics_by_hand_with_padding_and_pooled_depths(
    batch_size, rng, seen
):
    model, tokens = token_teacher(), token_data(rng)
    batches = [
        tokens[start : start + batch_size] for start in range(0, 30, batch_size)
    ]
    gather(model, "spy", batches)
    (calibration,) = seen
    # What is left out is found by elimination: its tokens did not come.
    inputs, outputs, gates = [], [], []
    for layer, x in layer_calls(model, tokens):
        y = to_numpy(layer(x, mask=tokens != 0))
        kernel = to_numpy(layer.router_kernel)
        for row in range(30):
            for position in np.flatnonzero(tokens[row]):
                token = x[row, position]
                if not np.isclose(calibration.tokens, token).all(1).any():
                    continue
                logits = token @ kernel
                odds = np.exp(logits) / np.exp(logits).sum()
                odds[np.argsort(odds)[0]] = 0.0
                inputs.append(token)
                outputs.append(y[row, position])
                gates.append(odds)
    assert 150 < len(inputs) < 340  # a fifth of the 378 is held out
    assert calibration.num_tokens == len(inputs) == len(calibration.tokens)
    order = np.lexsort(np.array(inputs).T)
    found = np.lexsort(calibration.tokens.T)
    for one, other in (
        (inputs, calibration.tokens),
        (outputs, calibration.outputs),
        (gates, calibration.gates),
    ):
        np.testing.assert_allclose(
            np.array(one)[order], other[found], atol=1e-4
        )
    np.testing.assert_array_equal(
        calibration.load, (np.array(gates) > 0).sum(0)
    )
    np.testing.assert_allclose(
        calibration.gate_sum, np.array(gates).sum(0), rtol=1e-4
    )
    np.testing.assert_allclose(calibration.frequency.sum(), 1.0)


@pytest.mark.parametrize(
    "options",
    [{"renormalize_gates": True}, {"inference_capacity_factor": 0.5}],
    ids=lambda options: next(iter(options)),
)
def test_gates_are_those_that_made_the_outputs(options, rng, seen):
    """Divided by their sum, and 0 where an expert was full."""
    inputs = keras.Input((6, 4))
    layer = MoEFeedForward(3, 8, name="moe", activation="relu", **options)
    teacher = keras.Model(inputs, layer(inputs))
    teacher.set_weights([rng.normal(size=w.shape) for w in teacher.weights])
    gather(teacher, "spy", rng.normal(size=(40, 6, 4)))
    (calibration,) = seen
    up, up_bias, down, down_bias = (
        to_numpy(weight)
        for weight in (
            layer.up_kernel,
            layer.up_bias,
            layer.down_kernel,
            layer.down_bias,
        )
    )
    expected = sum(
        calibration.gates[:, [e]]
        * (
            np.maximum(calibration.tokens @ up[e] + up_bias[e], 0) @ down[e]
            + down_bias[e]
        )
        for e in range(3)
    )
    np.testing.assert_allclose(calibration.outputs, expected, atol=1e-4)
    chosen = np.count_nonzero(calibration.gates, axis=1)
    if "renormalize_gates" in options:
        np.testing.assert_allclose(calibration.gates.sum(1), 1, rtol=1e-5)
    else:
        assert 0 < np.mean(chosen) < 2


def test_tokens_kept_are_bounded_and_seeded(teacher, images, seen):
    for seed in (0, 0, 1):
        gather(teacher, "spy", images, calibration_tokens=50, seed=seed)
    first, again, other = (own.tokens for own in seen)
    assert first.shape == (50, 32)
    assert seen[0].num_tokens > 500
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


@pytest.mark.parametrize("width", [8, 48])
@pytest.mark.parametrize("own_model", [False, True])
def test_students_narrower_and_wider_than_an_expert(
    width, own_model, teacher, images, rng
):
    data = images
    if own_model:
        teacher, data, width = token_teacher(), token_data(rng), width // 4
    for method in ("select_units", "select_experts", "matching_pursuit"):
        student, report = gather(
            teacher,
            method,
            data,
            intermediate_dim=width,
            return_report=True,
        )
        name = report.layers[0].name
        assert student.get_layer(f"{name}_up").units == width
        assert np.isfinite(report.layers[0].relative_error)
    plain = ones_keras.gather(teacher, "switch", intermediate_dim=width)
    assert plain.count_params() == student.count_params()


def test_more_units_come_closer(teacher, images):
    errors = [
        gather(
            teacher,
            "matching_pursuit",
            images,
            intermediate_dim=width,
            return_report=True,
        )[1]
        .layers[0]
        .relative_error
        for width in (4, 16, 64)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize("share", [False, True])
def test_front_to_back_feeds_the_students_own_tokens(share, rng, seen):
    """Inputs of the student's stream, outputs of the teacher's."""
    model = token_teacher(share)
    tokens = 1 + rng.permutation(30 * 7).reshape(30, 7)
    student = gather(model, "spy", tokens, front_to_back=True)
    up = student.get_layer("first_up")
    down = student.get_layer("first_down")
    x = model.get_layer("embedding")(tokens)
    first = model.get_layer("first")
    second = first if share else model.get_layer("second")
    own = to_numpy(x), to_numpy(first(x))
    plain = to_numpy(x + first(x))
    plain = plain, to_numpy(second(plain))
    later = to_numpy(x + first(x))
    later = to_numpy(x + down(up(x))), to_numpy(second(later))
    assert len(seen) == 2
    last = seen[1]
    pairs = [later]
    if share:
        # Beside the tokens of the first round, as many in all as it had.
        assert last.start is not None
        assert len(last.tokens) == len(seen[0].tokens)
        pairs = [own, later, plain]
    else:
        assert last.start is None
    inputs, outputs = (
        np.concatenate([pair[part].reshape(-1, 4) for pair in pairs])
        for part in (0, 1)
    )
    of_round = {0: 0, 1: 0, 2: 0}
    for token, output in zip(last.tokens, last.outputs, strict=True):
        (row,) = np.flatnonzero(np.isclose(inputs, token, atol=1e-5).all(1))
        of_round[row // 210] += 1
        np.testing.assert_allclose(outputs[row], output, atol=1e-4)
    if share:
        # A third each, of about 330.
        assert min(of_round.values()) > 60


def test_progress_is_shown_with_its_bound(teacher, images, capsys):
    ones_keras.gather(teacher, "select_units", calibration_data=[images])
    # 16384 tokens of 32 + 32 + 4 + 4 numbers of 4 bytes, and 32 again.
    shown = capsys.readouterr().out
    assert "calibration (at most 6.5 MiB)  1 batches" in shown
    assert "select_units  1 of 1 layers" in shown
    gather(teacher, "select_units", images)
    assert not capsys.readouterr().out


def test_an_expert_without_tokens_is_said(images, caplog, teacher):
    layer = teacher.get_layer("feed_forward")
    kernel = to_numpy(layer.router_kernel)
    # Its logit is that of the first expert, less something.
    kernel[:, 2] = kernel[:, 0]
    layer.router_kernel.assign(kernel)
    layer.top_k = 1
    _, report = gather(teacher, "frequency_average", images, return_report=True)
    idle = np.flatnonzero(np.array(report.layers[0].details["load"]) == 0)
    assert 2 in idle
    assert report.layers[0].details["weights"][2] == 0
    (message,) = {
        record.getMessage()
        for record in caplog.records
        if "chosen by none" in record.getMessage()
    }
    assert f"experts {idle.tolist()} of 'feed_forward'" in message


def test_what_is_held_out_is_not_seen(teacher, images, seen):
    ((x, examples),) = CalibrationBatches(images)
    gather(teacher, "spy", images)
    gather(teacher, "spy", x[~held_out(examples)])
    with_all, without = seen
    np.testing.assert_array_equal(with_all.tokens, without.tokens)
    assert not held_out(with_all.examples).any()
    assert set(with_all.examples) == set(examples[~held_out(examples)])


def test_a_preprocessor_comes_first(teacher, images, seen, monkeypatch):
    gather(teacher, "spy", images / 2)
    monkeypatch.setattr(teacher, "preprocess_samples", lambda x: x / 2)
    gather(teacher, "spy", images)
    # As a preprocessor of a language model, that makes the labels too.
    monkeypatch.setattr(
        teacher, "preprocess_samples", lambda x: (x / 2, x, x > 0)
    )
    gather(teacher, "spy", images)
    # Held out by what came, so that it is another part of them.
    plain, *preprocessed = (set(own.tokens[:, 0].tolist()) for own in seen)
    assert preprocessed[0] == preprocessed[1]
    assert len(plain & preprocessed[0]) > 0.5 * len(plain)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_methods_that_look_at_data_in_half_precision(dtype, images):
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=2, dtype=dtype
    )
    errors = {}
    for method in ("switch", "select_units", "least_squares"):
        student, report = gather(teacher, method, images, return_report=True)
        assert student.dtype_policy.name == dtype
        errors[method] = report.layers[0].relative_error
    assert errors["least_squares"] < 0.9 * errors["select_units"]
    assert errors["least_squares"] < 0.9 * errors["switch"]


def test_front_to_back_goes_on_from_the_first_fit(teacher, images):
    _, report = gather(
        teacher,
        "layer_fit",
        np.concatenate([images, 255 - images]),
        front_to_back=True,
        return_report=True,
        steps=20,
    )
    (layer,) = report.layers
    assert report.options["front_to_back"] is True
    assert 0 < layer.details["fit_error"] <= layer.details["fit_error_before"]
