"""What a training that was interrupted goes on with."""

import math
import pathlib
import re
import shutil
import signal
import threading
import time
import warnings
import zipfile

import keras
import numpy as np

from ones_keras.training.device_generators import device_generators
from ones_keras.training.hosts import (
    from_first_host,
    host_id,
    num_hosts,
    stop_together,
)
from ones_keras.training.local_value import local_value
from ones_keras.training.training_stopped import TrainingStopped
from ones_keras.validation import check_positive_int
from ones_keras.write_aside import write_aside

_NAME = re.compile(r"step_(\d+)\.npz")
# A backup that takes a second is made every 40 seconds at most.
_LARGEST_SHARE = 1 / 40


class TrainingBackup(keras.callbacks.Callback):
    """Backs up a training, so that it goes on at the step where it was.

    A backup holds all that a step goes by: weights, the optimizer's state, the
    states of the random generators (of dropout and of the router's noise,
    which no `.keras` file has), the number of the step, and the state of other
    callbacks. Give `fit` data that are a function of the step, as those of
    `ones_keras.data` are, and the training ends as if it had never been
    interrupted. Metrics alone are not in it: those of the epoch that was
    interrupted are of its rest.

    `TrainingBackup` is a context manager around `fit`. On entering it restores
    the latest backup that can be read, or makes the first one. Within, it
    watches for SIGTERM, upon which the training is backed up and stopped.

    Of several hosts the first one writes, and reads for all of them; what one
    is sent stops all at the same step.

    Args:
        folder: str or path. Where the backups lie, one file each; it is made.
        model: `keras.Model` or `ones_keras.Distiller`, compiled.
        companions: list of objects whose `get_state()` returns a dict of
            arrays that their `set_state(state)` takes. They are backed up
            along. Callbacks come before this one in the list that `fit` gets.
            Defaults to `()`.
        minutes: float. Between two backups; at least, as backups never take
            more than a fortieth of the time. Defaults to `5.0`.
        keep: int. How many of the latest backups are kept. Defaults to `2`.

    Attributes:
        step: int. Training steps done.

    Raises:
        ValueError: The model is not compiled, the folder's backups are of
            another one, or an argument is out of its range.
        TrainingStopped: In `fit`: after SIGTERM, if a backup cannot be
            written, and if the loss or a weight is not finite.

    Example:

    ```python
    model = ones_keras.models.ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=10
    )
    model.compile(
        optimizer="adamw",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    digits = ones_keras.data.load_image_dataset("digits")
    with ones_keras.training.TrainingBackup("backup", model) as backup:
        model.fit(
            digits.train(32, start_step=backup.step),
            steps_per_epoch=9 - backup.step,
            callbacks=[backup],
            shuffle=False,
        )
    backup.remove()
    ```
    """

    def __init__(self, folder, model, companions=(), minutes=5.0, keep=2):
        super().__init__()
        if not model.compiled:
            raise ValueError(
                "The model must be compiled, for its optimizer's state is "
                f"backed up too. Received: {model}."
            )
        if not 0 <= minutes < math.inf:
            raise ValueError(
                f"`minutes` must be 0 or more. Received: `minutes={minutes}`."
            )
        check_positive_int("keep", keep)
        self.step = 0
        self._folder = pathlib.Path(folder)
        self._trained = model
        self._generators = device_generators()
        self._others = [*companions, self._generators]
        self._minutes = minutes
        self._keep = keep
        self._content = None
        self._first = True
        self._epoch_start = 0
        self._due = 0.0
        self._asked_to_stop = False
        self._handler = None

    def __enter__(self):
        self._trained.optimizer.build(self._trained.trainable_variables)
        latest = from_first_host(self._latest)
        if latest is None:
            self._content = self._save(self._trained)
        else:
            self.step, self._content = latest
            self._check(self._content)
            self._take(self._content)
            self._due = time.monotonic() + 60 * self._minutes
        self._asked_to_stop = False
        main = threading.current_thread() is threading.main_thread()
        if main and num_hosts() == 1:
            self._handler = signal.signal(signal.SIGTERM, self._ask_to_stop)
        return self

    def __exit__(self, kind, *exception):
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None
        if self._asked_to_stop and kind is None:
            self._stop(self._trained)

    def remove(self):
        """Remove the folder and all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = self.step
        self._first = True

    def on_train_batch_begin(self, batch, logs=None):
        if not self._first:
            return
        self._first = False
        if self._content is not None:
            # On PyTorch Keras' first look at the model has moved the seeds.
            self._take(self._content)
            self._content = None
        self._generators.recall()

    def on_train_batch_end(self, batch, logs=None):
        self.step = self._epoch_start + batch + 1
        self._generators.remember()
        if num_hosts() > 1:
            self._asked_to_stop = stop_together()
        # With the last batch of an epoch its validation belongs together.
        if batch + 1 != self.params["steps"]:
            self._save_if_due(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check_finite("loss", float((logs or {}).get("loss", 0.0)))
        self._save_if_due(logs)

    def _save_if_due(self, logs):
        waiting = host_id() > 0 or time.monotonic() < self._due
        if not self._asked_to_stop and waiting:
            return
        self._check_finite("loss", float((logs or {}).get("loss", 0.0)))
        # On JAX, `self.model` has the variables of this very step.
        if self._asked_to_stop:
            self._stop(self.model)
        self._save(self.model)

    def _stop(self, model):
        self._save(model)
        raise TrainingStopped(f"Stopped by SIGTERM. {self._whole_ones()}")

    def _ask_to_stop(self, number, frame):
        self._asked_to_stop = True

    def _save(self, model):
        start = time.monotonic()
        content = {}
        for number, variable in enumerate(_variables(model)):
            value = local_value(variable)
            if variable.dtype == "bfloat16":  # NumPy's files have none.
                value = value.astype("float32")
            if variable.trainable:
                self._check_finite(f"weight {variable.path}", value)
            content[f"variable_{number}"] = value
        for number, companion in enumerate(self._others):
            for name, value in companion.get_state().items():
                content[f"companion_{number}_{name}"] = value
        if host_id() == 0:
            self._write(content)
        now = time.monotonic()
        self._due = now + max(
            60 * self._minutes, (now - start) / _LARGEST_SHARE
        )
        return content

    def _write(self, content):
        path = self._folder / f"step_{self.step}.npz"
        try:
            with write_aside(path) as aside:
                np.savez(aside, **content)
        except OSError as error:
            raise TrainingStopped(
                f"The backup {path} could not be written ({error}). "
                f"{self._whole_ones()}"
            ) from error
        for step in self._steps()[: -self._keep]:
            (self._folder / f"step_{step}.npz").unlink()

    def _latest(self):
        """Step and content of the latest backup that can be read, if any."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(".step_*"):
            shutil.rmtree(leftover)
        for step in reversed(self._steps()):
            path = self._folder / f"step_{step}.npz"
            try:
                # NumPy would leave a damaged file open.
                with path.open("rb") as file, np.load(file) as arrays:
                    return step, dict(arrays)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                warnings.warn(
                    f"The backup {path} cannot be read ({error}); the one "
                    "before it is taken, if there is any.",
                    stacklevel=4,
                )
                path.unlink()
        return None

    def _check(self, content):
        shapes = [tuple(v.shape) for v in _variables(self._trained)]
        found = [
            content[f"variable_{number}"].shape
            for number in range(
                sum(name.startswith("variable_") for name in content)
            )
        ]
        if shapes != found:
            raise ValueError(
                "The backup is of another model or optimizer: its variables "
                f"have the shapes {found}, here they are {shapes}. "
                f"Received: {self._folder / f'step_{self.step}.npz'}."
            )

    def _take(self, content):
        for number, variable in enumerate(_variables(self._trained)):
            variable.assign(content[f"variable_{number}"])
        for number, companion in enumerate(self._others):
            prefix = f"companion_{number}_"
            companion.set_state(
                {
                    name.removeprefix(prefix): value
                    for name, value in content.items()
                    if name.startswith(prefix)
                }
            )

    def _steps(self):
        names = [path.name for path in self._folder.glob("step_*")]
        found = map(_NAME.fullmatch, names)
        return sorted(int(match[1]) for match in found if match)

    def _check_finite(self, name, value):
        if not np.all(np.isfinite(value)):
            raise TrainingStopped(
                f"The {name} is not finite at step {self.step}: choose a "
                "lower learning rate, or look at the data of the steps since "
                f"the last backup. {self._whole_ones()}"
            )

    def _whole_ones(self):
        if host_id() > 0:
            return "The first host has the backups."
        steps = self._steps()
        if not steps:
            return f"There is no backup in {self._folder}."
        return f"The latest backup in {self._folder} is of step {steps[-1]}."


def _variables(model):
    """All that a step reads and changes, but for metrics."""
    return [*model.variables, *model.optimizer.variables]
