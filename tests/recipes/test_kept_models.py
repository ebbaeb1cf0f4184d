"""What an interrupted seed finds again."""

import importlib
import json

import keras
import numpy as np
import pytest

import ones_keras

IDENTITY = {"alpha": 0.5, "methods": ["svd"]}


@pytest.fixture
def module(recipes_on_path):
    return importlib.import_module("kept_models")


@pytest.fixture
def kept(module, tmp_path):
    """The models of the folder, looked up anew each time."""
    return lambda **options: module.KeptModels(tmp_path, IDENTITY, **options)


def vit():
    return ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=2
    )


def albert():
    return ones_keras.models.AlbertMaskedLM.from_preset(
        "widenet_albert_tiny", vocabulary_size=30, num_layers=2
    )


@pytest.mark.parametrize("method", [None, "switch", "random"])
@pytest.mark.parametrize("teacher", [vit, albert])
def test_weights_are_those_of_the_same_layers(kept, teacher, method, rng):
    def fresh():
        model = teacher()
        return model if method is None else ones_keras.gather(model, method)

    model = fresh()
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    assert kept().restore("dense, longer", model) is None
    kept().keep("dense, longer", model, 0.25)
    restored = fresh()
    assert kept().restore("dense, longer", restored) == 0.25
    for one, other in zip(model.weights, restored.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(np.array(one), np.array(other))


def small():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])


def test_a_model_that_was_removed_is_trained_again(kept, tmp_path):
    for name in ("teacher", "dense"):
        kept().keep(name, small(), 0.5)
    (tmp_path / "dense.keras").unlink()
    assert kept().restore("dense", small()) is None
    (tmp_path / "teacher.keras").write_text("not a model")
    with pytest.raises(ValueError, match=r"remove it .*teacher\.keras"):
        kept()


def test_other_settings_are_refused(module, kept, tmp_path):
    kept().keep("teacher", small(), 0.5)
    with pytest.raises(ValueError, match=r"alpha 0\.5, now 1"):
        module.KeptModels(tmp_path, {**IDENTITY, "alpha": 1})
    # One that is newer than the folder had its default.
    newer = {**IDENTITY, "lowercase": True}
    module.KeptModels(tmp_path, newer, {"lowercase": True})
    with pytest.raises(ValueError, match="lowercase False, now True"):
        module.KeptModels(tmp_path, newer, {"lowercase": False})
    path = tmp_path / module.UNFINISHED
    content = json.loads(path.read_text())
    del content["validation"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="cannot be read"):
        kept()
