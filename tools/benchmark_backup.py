"""What the backups of a training cost: seconds, size, share of the time.

Backs a compiled model up several times, as `fit` does when a backup is due,
and says what share of a training that is, at the interval that recipes have by
default. Launch, for each backend in turn:

    KERAS_BACKEND=jax python tools/benchmark_backup.py --json=backup.json

It takes about a minute. Expected: at most 3 % (whatever a backup takes, the
next one is due when it is a fortieth of the time).
"""

import json
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from absl import app, flags

import ones_keras
from ones_keras.training import TrainingBackup
from ones_keras.write_aside import write_aside

_MODEL = flags.DEFINE_string("model", "widenet_vit_base", "Preset.")
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 7, "Backups timed.", lower_bound=1
)
_MINUTES = flags.DEFINE_float("minutes", 5.0, "Between two backups.")
_FOLDER = flags.DEFINE_string(
    "folder", None, "Where backups are written; default a temporary folder."
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Too many arguments: {argv[1:]}")
    model = ones_keras.models.ViTImageClassifier.from_preset(
        _MODEL.value, num_classes=1000
    )
    model.compile("adamw", "mse")
    seconds, sizes = [], []
    for _ in range(_REPETITIONS.value):
        with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
            start = time.perf_counter()
            # In a folder without any it begins with one.
            with TrainingBackup(folder, model):
                seconds.append(time.perf_counter() - start)
            (path,) = pathlib.Path(folder).iterdir()
            sizes.append(path.stat().st_size)
    median = statistics.median(seconds)
    every = max(60 * _MINUTES.value, 40 * median)
    record = {
        "backend": keras.backend.backend(),
        "model": _MODEL.value,
        "parameters": model.count_params(),
        "mib": max(sizes) / 2**20,
        "seconds": seconds,
        "share": median / (every + median),
    }
    print(
        f"{record['backend']}: {record['parameters'] / 1e6:.2f}M parameters, "
        f"{record['mib']:.0f} MiB in {median:.2f} s ({min(seconds):.2f} to "
        f"{max(seconds):.2f}), {100 * record['share']:.2f} % of the time"
    )
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
