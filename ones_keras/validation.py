"""Checks of arguments that several rooms share."""

import numbers


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
