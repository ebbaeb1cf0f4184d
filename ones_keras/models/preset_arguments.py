"""`from_preset` forwards every override or says which one it cannot."""

import inspect
import os


def split_overrides(overrides, *targets):
    """Deal keyword arguments out to the constructors that take them.

    Args:
        overrides: dict of arguments.
        *targets: Each a class, or a tuple of argument names.

    Returns:
        Two dicts: those the first target takes, and those a later one does.

    Raises:
        ValueError: An argument that no target takes.
    """
    accepted = [_argument_names(target) for target in targets]
    known = sorted(set().union(*accepted))
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(
            f"`from_preset` cannot override {unknown} of this preset. "
            f"It takes: {known}. Received: `{overrides}`."
        )
    first = {key: overrides[key] for key in overrides if key in accepted[0]}
    rest = {key: overrides[key] for key in overrides if key not in first}
    return first, rest


def check_folder(preset, built_in):
    """Raise unless `preset` is a folder; nothing is looked up online."""
    if not os.path.isdir(preset):
        raise ValueError(
            "`preset` must be a built-in name or an existing folder written by "
            f"`save_to_preset`. Built-in: {sorted(built_in)}. Received: "
            f"`preset={preset!r}`."
        )


def _argument_names(target):
    if isinstance(target, tuple):
        return set(target)
    parameters = inspect.signature(target.__init__).parameters.values()
    return {
        parameter.name
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    } - {"self", "backbone"} | {"name"}
