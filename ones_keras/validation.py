"""Checks of arguments that several rooms share."""

import math
import numbers

import keras


def check_positive_int(name, value):
    """Raise a `ValueError` that names the argument unless `value >= 1`."""
    if (
        not isinstance(value, numbers.Integral)
        or isinstance(value, bool)
        or value < 1
    ):
        raise ValueError(
            f"`{name}` must be a positive integer. "
            f"Received: `{name}={value!r}`."
        )


def check_not_negative(name, value):
    """Raise a `ValueError` that names the argument unless in `[0, inf)`."""
    is_number = isinstance(value, numbers.Real)
    if not is_number or not 0 <= value < math.inf:
        raise ValueError(
            f"`{name}` must be 0 or more, and finite. "
            f"Received: `{name}={value}`."
        )


def get_activation(activation):
    """`keras.activations.get`, without layers.

    The weights of a layer would be shared by the experts and have no place in
    the gathered student, and the sparse dispatch gives them no gradient.
    """
    function = keras.activations.get(activation)
    if isinstance(function, keras.Layer):
        raise ValueError(
            "`activation` must be a function or the name of one, not a layer. "
            f"Received: `activation={activation}`."
        )
    return function
