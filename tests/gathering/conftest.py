"""A teacher, and small experts with their calibration."""

import pytest

import ones_keras
from ones_keras.gathering import METHODS, register_method
from tests.gathering.expert_cases import calibrate_by_hand, make_experts


@pytest.fixture
def teacher(rng):
    return make_teacher(rng)


def make_teacher(rng):
    model = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=2
    )
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.weights])
    return model


@pytest.fixture
def experts():
    return make_experts()


@pytest.fixture
def calibration(experts):
    return calibrate_by_hand(experts)


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
