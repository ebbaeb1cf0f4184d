"""Names for the outputs of a model."""

import collections


def output_keys(outputs, output_names=None):
    """Maps the names of a model's outputs to the keys that pick them.

    Args:
        outputs: tensor, or list, tuple or dict of tensors. What the model
            returns.
        output_names: list of strings. `model.output_names`, for outputs
            without names of their own. Defaults to `None`: `"output_0"` and
            so on.

    Returns:
        A dict, name to key, in the order in which Keras flattens outputs:
        for a dict of outputs the keys are its own, for a list or tuple the
        positions, for a single tensor `None`.

    Raises:
        ValueError: If outputs are nested deeper than one level.
    """
    if isinstance(outputs, dict):
        in_order = isinstance(outputs, collections.OrderedDict)
        names = list(outputs) if in_order else sorted(outputs)
        keys = {name: name for name in names}
    else:
        is_list = isinstance(outputs, (list, tuple))
        count = len(outputs) if is_list else 1
        names = output_names or [f"output_{i}" for i in range(count)]
        if not is_list:
            return {names[0]: None}
        keys = {name: index for index, name in enumerate(names)}
    if any(isinstance(outputs[k], (dict, list, tuple)) for k in keys.values()):
        raise ValueError(
            "A `Distiller` takes models that return a tensor or a flat list, "
            "tuple or dict of tensors. Received outputs nested deeper: "
            f"{outputs}."
        )
    return keys
