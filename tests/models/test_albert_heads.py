"""Heads of ALBERT: what they compute, learn, and keep in a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ones_keras.models import (
    AlbertBackbone,
    AlbertMaskedLM,
    AlbertSpanExtractor,
    AlbertTextClassifier,
)
from tests.gradients import to_numpy
from tests.models.albert_cases import (
    SMALL,
    albert_inputs,
    masked_lm_inputs,
    scramble,
)
from tests.models.stock_file import assert_stock_layers_only

# For what is said before any block is called.
ONE_BLOCK = {**SMALL, "num_layers": 1}


def test_tied_embedding_learns_from_both_ends(rng):
    model = AlbertMaskedLM(AlbertBackbone(**SMALL), compile=False)
    model.compile(keras.optimizers.SGD(0.5))
    inputs = masked_lm_inputs(rng, vocabulary_size=20)
    before = model.get_layer("token_embedding").get_weights()[0]
    labels = {
        "masked_lm": np.full((3, 2), 40),
        "sentence_order": np.array([0, 1, 1]),
    }
    model.fit(inputs, labels, batch_size=3, verbose=0)
    moved = np.abs(model.get_layer("token_embedding").get_weights()[0] - before)
    assert moved[inputs["token_ids"][0, 0]].max() > 1e-4  # as an input
    assert moved[40].max() > 1e-2  # as an output


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("as_dataset", [False, True])
def test_tokens_without_an_embedding_are_refused(as_dataset, rng):
    """Of a vocabulary that is not the model's, wherever they come."""
    good, bad = ((masked_lm_inputs(rng, vocabulary_size=50)) for _ in range(2))
    bad["token_ids"][2, 1] = 50
    labels = {"masked_lm": np.ones((3, 2)), "sentence_order": np.ones(3)}
    weights = {name: np.ones_like(value) for name, value in labels.items()}

    def given(*parts):
        """Arguments of `fit`."""
        names = ("x", "y", "sample_weight")
        if not as_dataset:
            return dict(zip(names, parts, strict=False))
        parts = parts if len(parts) > 1 else parts[0]
        return {"x": tf.data.Dataset.from_tensor_slices(parts).batch(2)}

    def held_out(*parts):
        return given(*parts)["x"] if as_dataset else parts

    model = AlbertMaskedLM(AlbertBackbone(**ONE_BLOCK))
    taken, refused = ((x, labels, weights) for x in (good, bad))
    quiet = {"shuffle": False, "verbose": 0}
    for x in (taken[:2], taken):
        model.fit(**given(*x), validation_data=held_out(*x), **quiet)
    found = model.evaluate(**given(*taken), return_dict=True, verbose=0)
    assert np.isfinite(found["loss"])
    found = model.predict(**given(good), verbose=0)
    assert found["masked_lm"].shape == (3, 2, 50)
    for run in (
        lambda model: model.fit(**given(*refused), **quiet),
        lambda model: model.fit(
            **given(*taken), validation_data=held_out(*refused), **quiet
        ),
        lambda model: model.evaluate(**given(*refused), verbose=0),
        lambda model: model.predict(**given(bad), verbose=0),
    ):
        # On JAX Keras leaves no values to the variables of one that failed.
        model = AlbertMaskedLM(AlbertBackbone(**ONE_BLOCK))
        error = tf.errors.InvalidArgumentError if as_dataset else ValueError
        with pytest.raises(error, match=r"50 tokens.*`token_ids` from.*50"):
            run(model)


@pytest.mark.parametrize("as_dataset", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("token_ids", -1, r"50 tokens.*`token_ids` from.*-1"),
        ("segment_ids", 2, r"2 segments.*`segment_ids` from.*2"),
        ("mask_positions", 10, r"10 places.*`mask_positions` from.*10"),
    ],
)
def test_ids_out_of_their_range_are_refused(
    as_dataset, name, value, message, rng
):
    inputs = masked_lm_inputs(rng, vocabulary_size=50)
    inputs[name][2, 1] = value
    error = ValueError
    if as_dataset:
        inputs = tf.data.Dataset.from_tensor_slices(inputs).batch(2)
        error = tf.errors.InvalidArgumentError
    model = AlbertMaskedLM(AlbertBackbone(**ONE_BLOCK))
    with pytest.raises(error, match=message):
        model.predict(inputs, verbose=0)


def test_padded_places_among_the_masked_do_not_count(rng):
    model = AlbertMaskedLM(AlbertBackbone(**SMALL))
    inputs = masked_lm_inputs(rng)
    labels = {
        "masked_lm": rng.integers(0, 50, (3, 2)),
        "sentence_order": np.array([0, 1, 1]),
    }
    weights = {
        "masked_lm": np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]),
        "sentence_order": np.ones(3),
    }
    results = []
    for labels["masked_lm"][1:, 1] in (0, 30):
        found = model.evaluate(
            inputs, labels, sample_weight=weights, return_dict=True, verbose=0
        )
        results.append(found["masked_lm_loss"])
    assert results[0] == results[1]


def test_labels_of_several_outputs_on_one_batch(rng):
    model = AlbertMaskedLM(AlbertBackbone(**SMALL))
    inputs = masked_lm_inputs(rng)
    labels = {
        "masked_lm": rng.integers(0, 50, (3, 2)),
        "sentence_order": np.array([0, 1, 1]),
    }
    weights = {name: np.ones(y.shape) for name, y in labels.items()}
    before = model.test_on_batch(inputs, labels, weights, return_dict=True)
    model.compile(keras.optimizers.Adam(1e-2))
    for _ in range(5):
        model.train_on_batch(inputs, labels, weights)
    after = model.test_on_batch(inputs, labels, weights, return_dict=True)
    assert after["loss"] < before["loss"]


def test_span_logits_rule_out_padding(rng):
    model = scramble(AlbertSpanExtractor(AlbertBackbone(**SMALL)), rng)
    inputs = albert_inputs(rng)
    logits = to_numpy(model(inputs))
    assert logits.shape == (3, 2, 10)
    hidden = to_numpy(model.backbone(inputs)["sequence_output"])
    kernel, bias = model.get_layer("predictions").get_weights()
    expected = np.swapaxes(hidden @ kernel + bias, 1, 2)
    real = inputs["padding_mask"][:, None].astype(bool)
    real = np.broadcast_to(real, logits.shape)
    np.testing.assert_allclose(logits[real], expected[real], atol=1e-4)
    assert logits[~real].max() < -1e8
    loss = model.evaluate(inputs, np.array([[1, 2]] * 3), verbose=0)[0]
    assert np.isfinite(loss)


def test_classifier_is_linear_in_the_pooled_output(rng):
    model = scramble(AlbertTextClassifier(AlbertBackbone(**SMALL), 3), rng)
    inputs = albert_inputs(rng)
    pooled = to_numpy(model.backbone(inputs)["pooled_output"])
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_allclose(
        to_numpy(model(inputs)), pooled @ kernel + bias, atol=1e-5
    )


HEADS = {
    "masked_lm": (AlbertMaskedLM, {}),
    "classifier": (AlbertTextClassifier, {"num_classes": 3, "dropout": 0.1}),
    "span": (AlbertSpanExtractor, {}),
}


@pytest.mark.parametrize("head", HEADS)
def test_dense_file_holds_stock_layers_only(head, tmp_path, rng):
    cls, arguments = HEADS[head]
    teacher = cls(AlbertBackbone(**SMALL, num_experts=2), **arguments)
    model = scramble(teacher.to_dense(), rng)
    model.save(tmp_path / "student.keras")
    assert_stock_layers_only(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    inputs = masked_lm_inputs(rng)
    inputs = {name: inputs[name] for name in model.input}
    keras.tree.map_structure(
        lambda found, expected: np.testing.assert_allclose(
            found, expected, atol=1e-6
        ),
        loaded.predict(inputs, verbose=0),
        model.predict(inputs, verbose=0),
    )
    # What a new head is put on.
    assert loaded.get_layer("sequence_output").output.shape[-1] == 8
    names = {layer.name for layer in loaded.layers}
    assert ("pooled_output" in names) == (head != "span")


@pytest.mark.parametrize("head", HEADS)
def test_teacher_round_trip(head, tmp_path, rng):
    cls, arguments = HEADS[head]
    model = cls(AlbertBackbone(**SMALL, num_experts=2), **arguments)
    scramble(model, rng)
    model.save(tmp_path / "teacher.keras")
    loaded = keras.models.load_model(tmp_path / "teacher.keras")
    assert type(loaded) is cls
    assert loaded.get_config() == model.get_config()
    for found, expected in zip(
        loaded.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
