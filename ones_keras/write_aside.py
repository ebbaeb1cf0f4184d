"""Files that are whole or not there."""

import contextlib
import os
import pathlib
import tempfile


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
        dir=path.parent, prefix=f".{path.name}."
    ) as folder:
        aside = pathlib.Path(folder) / path.name
        yield aside
        os.replace(aside, path)
