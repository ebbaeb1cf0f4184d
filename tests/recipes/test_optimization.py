import importlib
import io
import types
import zipfile

import h5py
import keras
import numpy as np
import pytest

import ones_keras


@pytest.fixture
def optimization(recipes_on_path):
    return importlib.import_module("optimization")


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgd"])
def test_biases_do_not_decay(optimization, name):
    """Nor the one of a masked language model, the row of an embedding."""
    settings = types.SimpleNamespace(
        optimizer=name,
        weight_decay=1.0,
        warmup_share=0.0,
        final_learning_rate=0.0,
    )
    model = ones_keras.models.AlbertMaskedLM.from_preset(
        "widenet_albert_tiny", vocabulary_size=9, num_layers=1
    )
    model.set_weights([np.ones(w.shape) for w in model.get_weights()])
    optimizer = optimization.make_optimizer(settings, 100, 0.1, model)
    variables = model.trainable_variables
    optimizer.apply([0 * variable for variable in variables], variables)
    decayed = {
        variable.path
        for variable in variables
        if not np.allclose(keras.ops.convert_to_numpy(variable), 1)
    }
    kernels = {
        variable.path
        for variable in variables
        if variable.path.rpartition("/")[2]
        in ("kernel", "embeddings", "up_kernel", "down_kernel", "router_kernel")
    }
    assert kernels - decayed == {"masked_lm_bias/embeddings"}
    assert decayed < kernels


@pytest.mark.parametrize("sign", [1, -1])
def test_keeps_the_best_weights_over_several_fits(optimization, sign):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    keep, kept = optimization.KeepBest("val_score", sign), None
    # NaN is never the best.
    for score in (0.3, 0.6, float("nan"), 0.6, 0.5):
        model.set_weights([w + 1 for w in model.get_weights()])
        if score == 0.6 and kept is None:
            kept = model.get_weights()
        keep.set_model(model)
        keep.on_epoch_end(0, {"val_score": sign * score})
    keep.restore(model)
    assert keep.best == sign * 0.6
    for one, other in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_restored_model_is_saved_without_an_optimizer(optimization, tmp_path):
    x, y = np.ones((4, 3), "float32"), np.arange(4) % 2
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    keep = optimization.KeepBest("loss", -1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss)
    model.fit(x, y, verbose=0, callbacks=[keep])
    keep.restore(model)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert "AdamW" not in archive.read("config.json").decode()
        weights = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(weights)) as file:
        assert "optimizer" not in file
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    # It can be trained on.
    model.compile("sgd", loss)
    model.fit(x, y, verbose=0)


def test_a_share_of_the_steps_loses_none(optimization):
    """29 / 100 of 100 steps are 28.999..., a tenth of 55 are five."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for steps, share, expected in ((100, 29 / 100, 29), (55, 0.1, 5)):
        settings = types.SimpleNamespace(
            optimizer="adamw",
            weight_decay=0.0,
            warmup_share=share,
            final_learning_rate=0.0,
        )
        optimizer = optimization.make_optimizer(settings, steps, 0.1, model)
        schedule = optimizer.get_config()["learning_rate"]["config"]
        assert schedule["warmup_steps"] == expected
