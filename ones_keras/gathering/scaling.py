def check_scale(name, value):
    """Raise unless the scale is a positive number or `None`."""
    if value is not None and not value > 0:
        raise ValueError(
            f"`{name}` must be positive. Received: `{name}={value}`."
        )
