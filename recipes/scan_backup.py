"""What a training in compiled loops goes on with."""

import json
import signal
import threading
import time
import zipfile

import jax
import numpy as np

from ones_keras.training import TrainingStopped
from ones_keras.write_aside import write_aside


class ScanBackup:
    """Context manager that backs a training up, at SIGTERM too.

    Args:
        path: path of the file.
        minutes: float. Between two backups.
    """

    def __init__(self, path, minutes):
        self._path = path
        self._seconds = 60 * minutes
        self._written = time.monotonic()
        self._latest = None
        self._asked_to_stop = False
        self._handler = None

    def __enter__(self):
        # What a loop has done until then would be lost by an exception.
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._ask_to_stop)
        return self

    def __exit__(self, kind, *exception):
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
        if self._asked_to_stop and kind is None:
            self._stop()

    def offer(self, values, notes):
        """What may be backed up now: a tree of arrays, and of JSON's values.

        Raises:
            TrainingStopped: If there was a SIGTERM.
        """
        self._latest = values, notes
        if self._asked_to_stop:
            self._stop()
        if time.monotonic() - self._written > self._seconds:
            self._write()

    def read(self, like):
        """Values, in a tree like the one given, and notes, `None` without any.

        Raises:
            TrainingStopped: If the file is damaged.
        """
        if not self._path.exists():
            return None
        try:
            with np.load(self._path) as file:
                notes = json.loads(str(file["notes"]))
                leaves = [file[name] for name in file.files if name != "notes"]
            values = jax.tree.unflatten(jax.tree.structure(like), leaves)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise TrainingStopped(
                f"The backup {self._path} cannot be read ({error!r}); remove "
                "it to train from the beginning."
            ) from error
        return values, notes

    def _ask_to_stop(self, number, frame):
        self._asked_to_stop = True

    def _stop(self):
        if self._latest is not None:
            self._write()
        raise TrainingStopped(
            "Stopped by SIGTERM. The same command line goes on from here."
        )

    def _write(self):
        values, notes = self._latest
        path = self._path
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, *jax.tree.leaves(values), notes=json.dumps(notes))
        self._written = time.monotonic()
