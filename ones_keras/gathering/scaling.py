import math
import numbers


def check_scale(name, value):
    """Raise unless the scale is a positive number."""
    if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
        raise ValueError(
            f"`{name}` must be positive. Received: `{name}={value}`."
        )


def scale_down(weights, factor):
    """`weights` with the down kernel multiplied by a factor."""
    return weights._replace(down_kernel=weights.down_kernel * factor)
