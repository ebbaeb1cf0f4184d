"""Shared fixtures. The backend under test is `KERAS_BACKEND`."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

# `clear_session` collects garbage after each test; what was imported is none.
gc.freeze()

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


def pytest_report_header():
    return f"keras {keras.__version__} on {keras.backend.backend()}"


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from the same random state and float32."""
    keras.utils.set_random_seed(1234)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
    keras.utils.clear_session()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def shared_data():
    """The folder of public datasets kept beside a checkout, if any."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public datasets at {SHARED_DATA}")
    return SHARED_DATA
