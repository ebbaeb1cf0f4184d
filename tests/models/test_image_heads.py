"""New heads on trained image models."""

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.models import ViTImageClassifier, add_image_classifier


@pytest.mark.parametrize(
    ("preset", "millions"), [("ones_vit_base", 9.45), ("ones_vit_large", 13.69)]
)
def test_parameters_of_the_paper(preset, millions):
    """Table 2 of OneS says 9M and 13M."""
    model = ViTImageClassifier.from_preset(preset, num_classes=1000)
    count = add_image_classifier(model, num_classes=10).count_params()
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.fixture(params=["widenet_vit_tiny", "ones_vit_tiny"])
def model(request):
    return ViTImageClassifier.from_preset(request.param, num_classes=10)


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (5, 8, 8, 1)).astype("float32")


def test_a_linear_layer_on_the_mean_over_the_patches(model, images):
    classifier = add_image_classifier(model, num_classes=3, dropout=0.5)
    patches = keras.ops.convert_to_numpy(model.backbone(images, training=False))
    kernel, bias = classifier.get_layer("predictions").get_weights()
    np.testing.assert_allclose(
        classifier.predict(images, verbose=0),
        patches.mean(axis=1) @ kernel + bias,
        atol=1e-5,
    )


def test_layers_are_the_models_own(model, images):
    classifier = add_image_classifier(model, num_classes=3)
    before = model.predict(images, verbose=0)
    for variable in classifier.get_layer("patch_embedding").variables:
        variable.assign(variable + 1)
    assert not np.allclose(model.predict(images, verbose=0), before)


def test_saved_and_loaded(model, images, tmp_path):
    """On a model from a file, as the recipe has it."""
    model.save(tmp_path / "trained.keras")
    trained = keras.models.load_model(tmp_path / "trained.keras")
    classifier = add_image_classifier(trained, num_classes=3)
    classifier.save(tmp_path / "classifier.keras")
    loaded = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0),
        classifier.predict(images, verbose=0),
        atol=1e-6,
    )
    if not model.is_sparse:
        assert type(loaded) is keras.Model or (
            type(loaded).__module__.partition(".")[0] == "keras"
        )


def test_a_model_without_patches():
    text = ones_keras.models.AlbertMaskedLM.from_preset("ones_albert_tiny")
    with pytest.raises(ValueError, match="must have a layer `pooler`"):
        add_image_classifier(text, num_classes=3)


def test_number_of_classes_is_checked(model):
    with pytest.raises(ValueError, match="`num_classes=0`"):
        add_image_classifier(model, num_classes=0)
