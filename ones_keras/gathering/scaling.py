import math
import numbers


def check_scale(name, value):
    """Raise unless the scale is a positive number."""
    if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
        raise ValueError(
            f"`{name}` must be positive. Received: `{name}={value}`."
        )
