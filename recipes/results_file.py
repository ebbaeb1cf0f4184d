"""`results.json`: what was found, under which settings, on which machine."""

import dataclasses
import json
import os
import platform
from importlib import metadata

import devices
import keras

from ones_keras.write_aside import write_aside

# What a seed's results do not go by.
_DECIDES_NOTHING = ("seeds", "backup_minutes", "max_unreadable", "scan")


def identity(settings, without=()):
    """The settings that decide what a seed's results are, and the backend.

    Args:
        settings: dataclass.
        without: tuple of strings. Fields that decide nothing, beside those
            that never do. Defaults to `()`.
    """
    fields = json.loads(json.dumps(dataclasses.asdict(settings)))
    for name in (*_DECIDES_NOTHING, *without):
        fields.pop(name, None)
    return {**fields, "backend": keras.backend.backend()}


def environment():
    """Versions, machine and devices, for the record."""
    strategy = devices.strategy()
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "devices": f"{strategy.num_devices} ({strategy.name})",
        **{
            name: metadata.version(name)
            for name in ("ones_keras", "keras", keras.backend.backend())
        },
    }


def read_results(path, fields, defaults=None):
    """The content of a `results.json`, or `None` where there is none.

    Args:
        path: path of the file.
        fields: dict. What `identity` returns now.
        defaults: dict or `None`. What settings are taken to have been that the
            file has not. Defaults to `None`.

    Returns:
        A dict.

    Raises:
        ValueError: If the file cannot be read or is of other settings.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        before = {**(defaults or {}), **content["settings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from error
    # Through JSON, as tuples come back as lists.
    differences = [
        f"{name} {before.get(name)!r}, now {value!r}"
        for name, value in fields.items()
        if json.dumps(before.get(name)) != json.dumps(value)
    ]
    if differences:
        raise ValueError(
            f"{path.parent} holds the results of other settings "
            f"({'; '.join(differences)}). Choose another `--output_dir`, or "
            "remove that folder."
        )
    return content


def unreadable(path, error):
    """The `ValueError` of a file that is not what it should be."""
    return ValueError(
        f"The record of an earlier run cannot be read ({error!r}); remove it "
        f"to train that seed again. Received: {path}."
    )


def write_results(path, fields, content):
    """Write the file, whole or not at all."""
    content = {"settings": fields, "environment": environment(), **content}
    with write_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=1) + "\n")
