"""The calibration pass and what `gather` makes of it."""

import json

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.gathering import METHODS, register_method
from ones_keras.gathering.calibration_batches import (
    CalibrationBatches,
    held_out,
)
from ones_keras.layers import MoEFeedForward
from tests.gradients import to_numpy


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, size=(40, 8, 8, 1)).astype("float32")


@pytest.fixture
def seen():
    """Registers a method that keeps what it is given; a list of it."""
    found = []

    @register_method("spy")
    def spy(experts, calibration):
        found.append(calibration)
        return experts.expert(0)

    yield found
    del METHODS["spy"]


def gather(teacher, method, data, **options):
    return ones_keras.gather(
        teacher, method, calibration_data=data, verbose=False, **options
    )


def token_teacher(share=True):
    """Masked tokens through a MoE layer at two depths, or two of them."""
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(250, 4, mask_zero=True, name="embedding")(inputs)
    first = MoEFeedForward(3, 6, name="first")
    second = first if share else MoEFeedForward(3, 6, name="second")
    x = keras.layers.Add(name="one")([x, first(x)])
    x = keras.layers.Add(name="two")([x, second(x)])
    model = keras.Model(inputs, keras.layers.Dense(5, name="head")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.7, w.shape) for w in model.weights])
    return model


def token_data(rng):
    # No token twice, so that one is told from another by its embedding.
    tokens = 1 + rng.permutation(30 * 7).reshape(30, 7)
    tokens[::3, 4:] = 0
    return tokens


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


def test_the_report_is_measured_on_what_was_held_out(teacher, images):
    student, report = gather(
        teacher, "select_units", images, return_report=True
    )
    # 40 images of 16 tokens at two depths, of which a part only.
    assert 32 <= report.report_tokens < 0.5 * 40 * 32
    assert report.report_tokens % 32 == 0
    assert len(report.layers[0].details["units"]) == 4
    assert sum(report.layers[0].details["units"]) == 32
    np.testing.assert_allclose(sum(report.layers[0].details["load"]), 1.0)
    held_out = report.agreement.num_predictions
    assert held_out == report.report_tokens // 32
    assert "agreement with the teacher" in str(report)
    # The same of all images, for a method that has seen none.
    student, report = gather(teacher, "average", images, return_report=True)
    expected = ones_keras.metrics.teacher_agreement(teacher, student, images)
    assert report.agreement.num_predictions == 40
    assert report.agreement.top_1 == expected.top_1
    np.testing.assert_allclose(report.agreement.kl, expected.kl, rtol=1e-3)


def test_padding_is_left_out_of_the_report(rng):
    model, tokens = token_teacher(), token_data(rng)
    padded = np.pad(tokens, [(0, 0), (0, 9)])
    _, report = gather(model, "average", tokens, return_report=True)
    _, other = gather(model, "average", padded, return_report=True)
    count = np.count_nonzero(tokens)
    assert report.agreement.num_predictions == count
    assert other.agreement.num_predictions == count
    assert 0 < report.agreement.top_1 < 1
    assert report.agreement.top_1 == other.agreement.top_1
    assert report.agreement.kl == pytest.approx(other.agreement.kl, rel=1e-4)
    assert report.layers[0].relative_error == pytest.approx(
        other.layers[0].relative_error, rel=1e-4
    )


def test_what_is_no_logits_has_no_agreement(teacher, images):
    _, report = gather(teacher.backbone, "average", images, return_report=True)
    assert report.agreement is None
    softmax = keras.Model(teacher.input, keras.layers.Softmax()(teacher.output))
    _, report = gather(softmax, "average", images, return_report=True)
    assert report.agreement is None
    assert report.layers[0].relative_error > 0


def test_a_student_that_overflows_has_no_numbers(images, caplog):
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=1, dtype="mixed_float16"
    )
    layer = teacher.get_layer("feed_forward")
    layer.down_kernel.assign(500 * np.ones(layer.down_kernel.shape))
    layer.up_bias.assign(np.ones(layer.up_bias.shape))
    _, report = gather(teacher, "sum", images, return_report=True)
    assert report.layers[0].relative_error is None
    assert report.agreement is None
    assert "['feed_forward'] is not finite" in caplog.text
    json.dumps(report.to_dict(), allow_nan=False)


def test_agreement_of_every_output_that_is_logits(rng):
    tokens = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(40, 4, embeddings_initializer="normal")(tokens)
    x = MoEFeedForward(3, 8, name="moe")(x)
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    teacher = keras.Model(
        tokens,
        {
            "words": keras.layers.Dense(5)(x),
            "order": keras.layers.Dense(2)(pooled),
            "length": keras.layers.Dense(1)(pooled),
        },
    )
    teacher.set_weights(
        [rng.normal(size=w.shape) * (w.ndim > 1) for w in teacher.get_weights()]
    )
    data = rng.integers(0, 40, (30, 6))
    student, report = gather(teacher, "average", data, return_report=True)
    assert list(report.agreement) == ["order", "words"]
    ours, theirs = (m.predict(data, verbose=0) for m in (student, teacher))
    for name, found in report.agreement.items():
        hits = ours[name].argmax(-1) == theirs[name].argmax(-1)
        assert found.num_predictions == hits.size
        assert found.top_1 == np.mean(hits) < 1
        assert f"before training, {name}: {found}" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["agreement"].keys() == (
        report.agreement.keys()
    )


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


def test_values_that_are_not_finite_are_named(teacher, images):
    bad = images.copy()
    bad[33] = np.nan
    with pytest.raises(
        ValueError, match=r"inputs of the layer 'feed_forward'.*512 NaN.*"
    ):
        gather(teacher, "select_units", [bad[:20], bad[20:]])


def test_what_is_not_finite_is_named_where_it_is_held_out_too(
    teacher, images, seen
):
    """Also without a report, and before a method that may take long."""
    ((x, examples),) = CalibrationBatches(images)
    bad = x.copy()
    # Still held out by its checksum.
    for row in np.flatnonzero(held_out(examples)):
        for value in range(64):
            bad[row, 0, 0], bad[row, 0, 1] = np.nan, value
            ((_, found),) = CalibrationBatches(bad)
            if held_out(found)[row]:
                break
    bad[~held_out(examples)] = x[~held_out(examples)]
    assert np.isnan(bad).any()
    with pytest.raises(ValueError, match=r"inputs of the layer .* NaN"):
        gather(teacher, "spy", bad)
    assert not seen


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("least_squares", {"data": None}, "needs `calibration_data`"),
        ("svd", {"intermediate_dim": 8}, "width only.*select_units"),
        ("select_units", {"intermediate_dim": 0}, "`intermediate_dim=0`"),
        ("select_units", {"intermediate_dim": 129}, "at most .* 128"),
        ("select_units", {"calibration_tokens": 0}, "`calibration_tokens=0`"),
        ("svd", {"front_to_back": True}, "`front_to_back=True`"),
        ("select_units", {"ridge": 1}, r"no option \['ridge'\]"),
    ],
)
def test_bad_arguments_are_named(method, options, message, teacher, images):
    data = options.pop("data", images)
    with pytest.raises(ValueError, match=message):
        gather(teacher, method, data, return_report=True, **options)


class Unread:
    """Calibration data that must not be looked at yet."""

    def __iter__(self):
        raise AssertionError("The calibration has begun.")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("frequency_average", {"down_scale": -1}, "`down_scale=-1`"),
        ("select_experts", {"score": "use"}, "`score='use'`"),
        ("select_units", {"intermediate_dim": 129}, "at most .* 128"),
        ("matching_pursuit", {"max_candidates": 0}, "`max_candidates=0`"),
        ("least_squares", {"ridge": -1}, "`ridge=-1`"),
        ("least_squares", {"selection": "switch"}, "that gathers"),
        (
            "least_squares",
            {"calibration_tokens": 9},
            "at least 33 tok.*`calibration_tokens=9`",
        ),
        ("layer_fit", {"calibration_tokens": 63}, "at least 64 tok"),
        ("layer_fit", {"steps": 0}, "`steps=0`"),
        ("layer_fit", {"start": "svd", "intermediate_dim": 9}, "width only"),
        ("layer_fit", {"intermediate_dim": 129}, "at most .* 128"),
        ("layer_fit", {"seed": -1}, "`seed=-1`"),
        ("layer_fit", {"seed": None}, "`seed=None`"),
    ],
)
def test_bad_options_are_named_before_the_pass(
    method, options, message, teacher
):
    with pytest.raises(ValueError, match=message):
        gather(teacher, method, Unread(), **options)


def test_data_that_cannot_serve_is_refused(teacher, images, seen):
    with pytest.raises(ValueError, match="several times"):
        gather(teacher, "spy", iter([images]))
    with pytest.raises(ValueError, match="at least one token"):
        gather(teacher, "spy", images[:0])
    lucky = [
        x[~held_out(examples)] for x, examples in CalibrationBatches(images)
    ]
    with pytest.raises(ValueError, match="none of them held out"):
        gather(teacher, "spy", lucky, return_report=True)
    assert not seen


def test_what_is_held_out_is_not_seen(teacher, images, seen):
    ((x, examples),) = CalibrationBatches(images)
    gather(teacher, "spy", images)
    gather(teacher, "spy", x[~held_out(examples)])
    with_all, without = seen
    np.testing.assert_array_equal(with_all.tokens, without.tokens)
    assert not held_out(with_all.examples).any()
    assert set(with_all.examples) == set(examples[~held_out(examples)])


def test_values_that_are_not_finite_in_weights_or_report(teacher, images):
    bad = images.copy()
    bad[:, 0, 0] = np.nan
    with pytest.raises(ValueError, match="'feed_forward' are not finite"):
        gather(teacher, "average", bad, return_report=True)
    layer = teacher.get_layer("feed_forward")
    kernel = to_numpy(layer.up_kernel)
    kernel[1, 2, 3] = np.inf
    layer.up_kernel.assign(kernel)
    with pytest.raises(ValueError, match=r"up_kernel of the layer .*: 1 of"):
        ones_keras.gather(teacher, "average")


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


def test_one_width_does_not_fit_blocks_that_are_dense():
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny",
        num_classes=3,
        num_layers=2,
        share_layers=False,
        expert_every=2,
    )
    with pytest.raises(ValueError, match="`expert_every=2`"):
        gather(teacher, "select_units", Unread(), intermediate_dim=8)


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
