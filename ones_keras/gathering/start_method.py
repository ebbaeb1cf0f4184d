from ones_keras.gathering.registry import get_method


def start_weights(argument, name, experts, calibration, intermediate_dim):
    """What another registered method, named by an option, makes of a layer.

    Args:
        argument: string. The option's name, for errors.
        name: string. Its value.
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        intermediate_dim: int or `None`.

    Returns:
        `DenseWeights`.
    """
    method = get_method(name, argument)
    if method.gather_layer is None:
        raise ValueError(
            f"`{argument}` must be a method that gathers the experts. "
            f"Received: `{argument}={name!r}`."
        )
    if intermediate_dim is not None and not method.sets_width:
        raise ValueError(
            f"`{argument}={name!r}` makes layers of an expert's width only. "
            f"Received: `intermediate_dim={intermediate_dim}`."
        )
    return method(experts, calibration, intermediate_dim, {})
