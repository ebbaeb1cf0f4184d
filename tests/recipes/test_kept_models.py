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


def test_a_student_as_gathered(kept, tmp_path):
    assert kept().gathering("svd") is None
    student = small()
    kept().keep_gathered("svd", student, {"error": 0.5})
    assert kept().gathering("svd") == {"error": 0.5}
    # The layers have the same names, as those of students have.
    again = keras.models.clone_model(student)
    kept().restore_gathered("svd", again)
    for one, other in zip(student.weights, again.weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))
    path = tmp_path / "unfinished" / "svd.keras"
    path.write_text("not a model")
    with pytest.raises(ValueError, match=r"svd\.keras"):
        kept()
    path.unlink()
    assert kept().gathering("svd") is None


def test_backups_are_of_the_settings_and_of_what_is_trained(
    module, kept, tmp_path
):
    model = small()
    model.compile("sgd", "mse")
    with kept().backup("svd", model, []):
        folder = tmp_path / "unfinished" / "svd"
        assert [path.name for path in folder.iterdir()] == ["step_0.npz"]
    with pytest.raises(ValueError, match=r"alpha 0\.5, now 1"):
        module.KeptModels(tmp_path, {**IDENTITY, "alpha": 1})
    kept().keep("svd", model, 0.5)
    assert not folder.exists()
    with kept().backup("svd", model, []):
        assert folder.exists()
    kept().keep_tuned("svd", {"score": 0.25})
    assert not folder.exists()
    assert kept().tuned("svd") == {"score": 0.25}
    module.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["svd.keras"]
