import keras
import numpy as np

from ones_keras.training.local_value import local_value


def test_a_variable_of_one_device():
    """tests/test_strategies.py has those that are spread."""
    value = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(local_value(keras.Variable(value)), value)
