from ones_keras.gathering.registry import get_method


def check_start(argument, name, experts, intermediate_dim, options):
    """The registered method that an option names, if it can be a start.

    Args:
        argument: string. The option's name, for errors.
        name: string. Its value.
        experts: `ExpertWeights`.
        intermediate_dim: int or `None`.
        options: dict. Options that the method is given if it has them.

    Returns:
        The `Method`, and its part of the options.
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
    options = {
        key: value for key, value in options.items() if key in method.options
    }
    method.check_layer(experts, intermediate_dim, options)
    return method, options
