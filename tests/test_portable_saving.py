import logging

import keras
import numpy as np
import pytest

from ones_keras.models import ViTImageClassifier


def student(**kwargs):
    return ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=3, num_layers=1, **kwargs
    )


class OwnAdam(keras.optimizers.Adam):
    pass


def own_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def own_activation(x):
    return x * keras.ops.sigmoid(x)


@pytest.mark.parametrize(
    ("compiled", "named"),
    [
        ({"optimizer": OwnAdam(), "loss": "mse"}, "OwnAdam"),
        ({"loss": own_loss}, "own_loss"),
        ({"loss": "mse", "metrics": ["mae", own_loss]}, "own_loss"),
        ({"loss": lambda y_true, y_pred: y_pred[:, 0]}, "__lambda__"),
    ],
)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a")
def test_foreign_compile_state_is_left_out(compiled, named, tmp_path, caplog):
    model = student()
    model.compile(**compiled)
    with caplog.at_level(logging.WARNING, "absl"):
        model.save(tmp_path / "student.keras")
    assert "without its compile state" in caplog.text
    assert named in caplog.text
    loaded = keras.models.load_model(tmp_path / "student.keras")
    assert not loaded.compiled


def test_functions_of_keras_stay_in_the_file(tmp_path, caplog):
    model = student(activation=keras.activations.silu)
    model.compile("sgd", keras.losses.mean_squared_error, metrics=["mae"])
    with caplog.at_level(logging.WARNING, "absl"):
        model.save(tmp_path / "student.keras")
    assert not caplog.text
    loaded = keras.models.load_model(tmp_path / "student.keras")
    assert loaded.compiled
    assert loaded.get_layer("feed_forward_up").activation is (
        keras.activations.silu
    )


def test_a_foreign_activation_is_named(tmp_path, caplog):
    model = student(activation=own_activation)
    with caplog.at_level(logging.WARNING, "absl"):
        model.save(tmp_path / "student.keras")
    assert "`custom_objects` with own_activation" in caplog.text
    loaded = keras.models.load_model(
        tmp_path / "student.keras",
        custom_objects={"own_activation": own_activation},
    )
    x = np.linspace(0, 255, 128, dtype="float32").reshape(2, 8, 8, 1)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6
    )
