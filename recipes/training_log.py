"""What a training has said on its way, as files and as lines."""

import csv
import json

import keras
import numpy as np
import tensorflow as tf

from ones_keras.write_aside import write_aside


class TrainingLog(keras.callbacks.Callback):
    """Writes down the logs of each stretch of a training, and of steps.

    Training values are the means since the last validation, the learning rate
    is that of the next step. A run that is taken up goes on with the rows that
    it had at its last backup, whose step is set as `step`.

    Args:
        path: path. CSV file, of a row a validation and, on request, more.
        title: string. What is trained, in lines.
        progress: `Progress`. Says the lines, and on request how often: after
            each `log_every` steps, 0 is never.
        tensorboard: path or `None`. Folder for TensorBoard. Defaults to
            `None`.
    """

    def __init__(self, path, title, progress, tensorboard=None):
        super().__init__()
        self.path = path
        self.title = title
        self.progress = progress
        self.tensorboard = tensorboard
        self.step = 0
        self.rows = []
        self._writer = None

    def on_epoch_begin(self, epoch, logs=None):
        self._start = self.step

    def on_train_batch_end(self, batch, logs=None):
        self.step = self._start + batch + 1
        every = self.progress.log_every
        if every and self.step % every == 0:
            self._note(logs)
            values = ", ".join(f"{k} {v:.4g}" for k, v in self._last())
            self.progress.say(f"{self.title}: step {self.step}: {values}")

    def on_epoch_end(self, epoch, logs=None):
        self._note(logs)
        write_log(self.path, self.rows)

    def get_state(self):
        """As a `TrainingBackup` wants it."""
        return {"rows": np.array(json.dumps(self.rows))}

    def set_state(self, state):
        self.rows = json.loads(str(state["rows"]))

    def close(self):
        """Nothing follows."""
        if self._writer is not None:
            self._writer.close()

    def _note(self, logs):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row = {"step": self.step, "learning_rate": float(rate)}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        if self.rows and self.rows[-1]["step"] == self.step:
            self.rows.pop()  # The same step, after its validation.
        self.rows.append(row)
        if self.tensorboard is None:
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.tensorboard))
        with self._writer.as_default():
            for name, value in self._last():
                tf.summary.scalar(name, value, step=self.step)

    def _last(self):
        return [item for item in self.rows[-1].items() if item[0] != "step"]


def write_log(path, rows):
    """Write the rows of a log, dicts of numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (
        write_aside(path) as aside,
        aside.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def read_log(path):
    """The rows of a log, a list of dicts of floats; none without a file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
