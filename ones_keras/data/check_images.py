"""Find the images that cannot be decoded before training meets them."""

import concurrent.futures
import os

import tensorflow as tf
from rich import progress

from ones_keras.data.file_images import FileImages

_CHUNK = 256
_NAMED = 10


def check_images(paths):
    """Decodes every image once, in parallel, with a progress bar.

    With the decoder of the training itself, so that what passes here cannot
    stop a run later on.

    Args:
        paths: sequence of str. Image files.

    Raises:
        ValueError: If files cannot be read or decoded; up to ten are named,
            each with the reason.

    Example:

    ```python
    check_images(["cat.jpg", "dog.png"])
    ```
    """
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    failures = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        for found in progress.track(
            executor.map(_failures, chunks),
            description=f"Checking {len(paths)} images",
            total=len(chunks),
        ):
            failures.extend(found)
    if failures:
        named = "\n".join(f"  {failure}" for failure in failures[:_NAMED])
        if len(failures) > _NAMED:
            named += f"\n  and {len(failures) - _NAMED} more"
        raise ValueError(
            f"{len(failures)} of {len(paths)} images cannot be read; remove "
            f"or replace them:\n{named}"
        )


def _failures(paths):
    found = []
    with tf.device("/cpu:0"):
        for path in paths:
            try:
                FileImages.read(path)
            except (tf.errors.OpError, ValueError) as error:
                # TensorFlow adds the whole graph node to its first line.
                reason = str(error).splitlines()[0].split("}} ")[-1]
                found.append(f"{path}: {reason}")
    return found
