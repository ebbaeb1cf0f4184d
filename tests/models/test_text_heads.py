"""Heads on models as they come out of a file."""

import keras
import keras_hub
import numpy as np
import pytest

from ones_keras.models import (
    AlbertBackbone,
    AlbertMaskedLM,
    AlbertSpanExtractor,
    AlbertTextClassifier,
    add_span_extractor,
    add_text_classifier,
)
from tests.gradients import to_numpy
from tests.models.albert_cases import SMALL, albert_inputs, scramble


@pytest.fixture(params=[None, 3], ids=["dense", "sparse"])
def trained(request, tmp_path, rng):
    """A masked language model and what `load_model` makes of its file."""
    backbone = AlbertBackbone(**SMALL, num_experts=request.param)
    model = scramble(AlbertMaskedLM(backbone, compile=False), rng)
    model.save(tmp_path / "trained.keras")
    # As in a process of its own, where operations get the names of the file.
    keras.utils.clear_session()
    return model, keras.models.load_model(tmp_path / "trained.keras")


def same_head(model, expected, rng):
    """Give both the same weights in the head, and compare what they do."""
    kernel, bias = expected.get_layer("predictions").get_weights()
    weights = rng.normal(size=kernel.shape), rng.normal(size=bias.shape)
    for each in (model, expected):
        each.get_layer("predictions").set_weights(weights)
    inputs = albert_inputs(rng)
    np.testing.assert_allclose(
        to_numpy(model(inputs)), to_numpy(expected(inputs)), atol=2e-5
    )


def test_classifier(trained, rng):
    model, loaded = trained
    expected = AlbertTextClassifier(model.backbone, 3, compile=False)
    found = add_text_classifier(loaded, 3)
    assert set(found.input) == {"token_ids", "segment_ids", "padding_mask"}
    same_head(found, expected, rng)


def test_span_extractor(trained, rng):
    model, loaded = trained
    expected = AlbertSpanExtractor(model.backbone, compile=False)
    same_head(add_span_extractor(loaded), expected, rng)


@pytest.mark.usefixtures("eager")
def test_fine_tuned_file_round_trip(trained, tmp_path, rng):
    _, loaded = trained
    classifier = add_text_classifier(loaded, 2, dropout=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    inputs = albert_inputs(rng)
    before = classifier.evaluate(inputs, np.array([0, 1, 1]), verbose=0)[0]
    classifier.fit(inputs, np.array([0, 1, 1]), epochs=20, verbose=0)
    after = classifier.evaluate(inputs, np.array([0, 1, 1]), verbose=0)[0]
    assert after < before
    classifier.save(tmp_path / "tuned.keras")
    tuned = keras.models.load_model(tmp_path / "tuned.keras")
    np.testing.assert_allclose(
        tuned.predict(inputs, verbose=0),
        classifier.predict(inputs, verbose=0),
        atol=1e-5,
    )
    # And on with another head.
    assert add_span_extractor(tuned)(inputs).shape == (3, 2, 10)


@pytest.mark.parametrize("add", [add_span_extractor, add_text_classifier])
def test_sequences_longer_than_the_model_are_refused(
    trained, add, tmp_path, rng
):
    _, loaded = trained
    found = add(loaded, *[2][: add is add_text_classifier])
    inputs = albert_inputs(rng, length=SMALL["max_sequence_length"] + 1)
    with pytest.raises(ValueError, match=r"16 positions.*\(3, 17\)"):
        found(inputs)
    if found.is_sparse:
        found.save(tmp_path / "found.keras")
        again = keras.models.load_model(tmp_path / "found.keras")
        with pytest.raises(ValueError, match="16 positions"):
            again.predict_on_batch(inputs)


def test_keras_hub_models(rng):
    hub = keras_hub.models.AlbertBackbone(**SMALL)
    classifier = add_text_classifier(keras_hub.models.AlbertMaskedLM(hub), 4)
    inputs = albert_inputs(rng)
    kernel, bias = classifier.get_layer("predictions").get_weights()
    pooled = to_numpy(hub(inputs)["pooled_output"])
    np.testing.assert_allclose(
        to_numpy(classifier(inputs)), pooled @ kernel + bias, atol=1e-5
    )
    assert add_span_extractor(hub)(inputs).shape == (3, 2, 10)


def test_a_span_extractor_gets_a_new_pooler(rng):
    extractor = AlbertSpanExtractor(AlbertBackbone(**SMALL))
    plain = keras.Model(extractor.input, extractor.output)
    classifier = add_text_classifier(plain, 2)
    assert classifier.get_layer("pooled_output").activation.__name__ == "tanh"
    assert classifier(albert_inputs(rng)).shape == (3, 2)


def test_other_models_are_refused():
    inputs = keras.Input((4,), name="images")
    images = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="token_ids"):
        add_text_classifier(images, 2)
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "segment_ids", "padding_mask")
    }
    hidden = keras.layers.Embedding(9, 2)(inputs["token_ids"])
    with pytest.raises(ValueError, match="`sequence_output`"):
        add_span_extractor(keras.Model(inputs, hidden))
    with pytest.raises(ValueError, match="`num_classes=0`"):
        add_text_classifier(keras.Model(inputs, hidden), 0)
