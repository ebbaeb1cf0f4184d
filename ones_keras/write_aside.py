"""Files that are whole or not there."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
import tempfile

# Before what is random in the name of a temporary folder, who made it.
_MADE_BY = re.compile(r"\..+\.(\d+)@(.+)\.[^.]+")


@contextlib.contextmanager
def write_aside(path):
    """Lends a temporary path and moves the file written there to `path`.

    The temporary file lies in the same folder and has the same suffix. If the
    block raises, it is removed and what was at `path` before stays.

    Args:
        path: str or path. Where the file belongs. Its folder must exist.

    Yields:
        The `pathlib.Path` to write to.

    Example:

    ```python
    with write_aside("report.json") as aside:
        aside.write_text("{}")
    ```
    """
    path = pathlib.Path(path)
    with tempfile.TemporaryDirectory(
        dir=path.parent,
        prefix=f".{path.name}.{os.getpid()}@{_machine()}.",
    ) as folder:
        aside = pathlib.Path(folder) / path.name
        yield aside
        os.replace(aside, path)


def remove_leftovers(folder):
    """Removes the temporary files of processes that were killed.

    Those of processes that run, or of other machines, stay.

    Args:
        folder: str or path. It and all folders in it are looked through.
    """
    for path in [*pathlib.Path(folder).rglob(".*@*")]:
        made_by = _MADE_BY.fullmatch(path.name)
        if made_by is None or made_by[2] != _machine():
            continue
        if not _runs(int(made_by[1])):
            shutil.rmtree(path, ignore_errors=True)


def _machine():
    return re.sub(r"[^\w-]", "_", platform.node())


def _runs(process):
    try:
        os.kill(process, 0)  # Which sends nothing.
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
