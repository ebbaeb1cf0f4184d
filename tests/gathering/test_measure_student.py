"""The report: what of a student it measures, and on what."""

import json

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.layers import MoEFeedForward
from tests.gathering.token_cases import gather, token_data, token_teacher
from tests.gradients import to_numpy


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
