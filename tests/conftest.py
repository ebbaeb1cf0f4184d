"""Shared fixtures. The backend under test is `KERAS_BACKEND`."""

import gc
import importlib
import importlib.metadata
import os
import pathlib

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


def pytest_configure(config):
    if config.getoption("numprocesses", None):
        return  # Those import it; this process only hands out the tests.
    importlib.import_module("ones_keras")
    # The collector of garbage need not look at what was imported.
    gc.freeze()


def pytest_report_header():
    version = importlib.metadata.version("keras")
    backend = os.environ.get("KERAS_BACKEND", "its default backend")
    return f"keras {version} on {backend}"


@pytest.fixture(autouse=True, scope="module")
def _collected():
    """Garbage is collected after each file; after each test it takes long.

    What is left by then, TensorFlow's caches above all, need not be looked at
    again: recipes collect after each model.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from the same random state and float32."""
    import keras

    keras.utils.set_random_seed(1234)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def eager(monkeypatch):
    """For models of a few steps, which are not worth TensorFlow's tracing.

    Graphs are what `fit` makes of the same models in all other tests.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        always = property(lambda model: True, lambda model, value: None)
        monkeypatch.setattr(keras.Model, "run_eagerly", always)


@pytest.fixture
def backups_of_every_step(monkeypatch):
    """With `minutes=0` a step is backed up however long that takes."""
    monkeypatch.setattr(
        "ones_keras.training.training_backup._LARGEST_SHARE", 1e9
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def shared_data():
    """The folder of public datasets kept beside a checkout, if any."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public datasets at {SHARED_DATA}")
    return SHARED_DATA
