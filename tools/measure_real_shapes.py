"""Time and peak memory of sparse to dense at the shapes of the paper.

Takes a WideNet-ViT at full size through the whole way on a folder of real
images: real training steps of the teacher, gathering, distillation steps,
saving, and the student loaded again. It shows that this fits and what it
costs, not what it learns.

```
KERAS_BACKEND=jax python tools/measure_real_shapes.py --data_dir=FOLDER
```

A step is the mean of `--steps`, after one that compiles. The memory is the
peak of the process until then (host memory, so run this on the CPU).
"""

import os
import pathlib
import platform
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags
from peak_memory import peak_memory

import ones_keras

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Image folder with train/ and val/.", required=True
)
_PRESET = flags.DEFINE_string("preset", "widenet_vit_base", "The teacher.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 224, "Side, in pixels.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "Images a step.", lower_bound=1
)
_STEPS = flags.DEFINE_integer("steps", 3, "Timed steps.", lower_bound=1)
_METHOD = flags.DEFINE_enum(
    "method", "svd", sorted(ones_keras.gathering.METHODS), "Of gathering."
)


class Stages:
    """Prints one Markdown row a stage."""

    def __init__(self):
        print("| stage | seconds | peak memory so far (MiB) |")
        print("| --- | --- | --- |")

    def add(self, name, seconds):
        print(f"| {name} | {seconds:.2f} | {peak_memory():.0f} |", flush=True)

    def time(self, name, function, *args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        self.add(name, time.perf_counter() - start)
        return result


def train(stages, name, model, batches):
    """Steps of `fit`, the one that compiles apart."""
    model.compile(
        optimizer=ones_keras.training.Lamb(1e-3, weight_decay=0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def fit(steps):
        history = model.fit(
            batches, steps_per_epoch=steps, shuffle=False, verbose=0
        )
        if not np.isfinite(history.history["loss"]).all():
            raise FloatingPointError(f"The loss of the {name} is not finite.")

    stages.time(f"{name}: first step, with compilation", fit, 1)
    start = time.perf_counter()
    fit(_STEPS.value)
    seconds = (time.perf_counter() - start) / _STEPS.value
    stages.add(f"{name}: one step", seconds)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Too many arguments: {argv[1:]}")
    keras.utils.set_random_seed(0)
    print(
        f"`{_PRESET.value}` at {_IMAGE_SIZE.value} px, batches of "
        f"{_BATCH_SIZE.value}, keras {keras.__version__} on "
        f"{keras.backend.backend()}, {platform.machine()} with "
        f"{os.cpu_count()} cores.\n"
    )
    stages = Stages()
    images = stages.time(
        "list the images",
        ones_keras.data.load_image_dataset,
        "imagefolder",
        _DATA_DIR.value,
        _IMAGE_SIZE.value,
    )
    batches = images.train(_BATCH_SIZE.value, seed=0)
    teacher = stages.time(
        "build the teacher",
        ones_keras.models.ViTImageClassifier.from_preset,
        _PRESET.value,
        num_classes=images.num_classes,
        image_shape=images.image_shape,
    )
    train(stages, "teacher", teacher, batches)
    student = stages.time(
        f"gather ({_METHOD.value})",
        ones_keras.gather,
        teacher,
        method=_METHOD.value,
    )
    distiller = ones_keras.Distiller(teacher, student)
    train(stages, "student", distiller, batches)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "student.keras"
        stages.time("save the student", student.save, path)
        size = path.stat().st_size / 2**20
        loaded = stages.time("load it", keras.models.load_model, path)
    x = np.asarray(next(iter(batches))[0])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(loaded.predict_on_batch(x)),
        keras.ops.convert_to_numpy(student.predict_on_batch(x)),
        atol=1e-4,
    )
    print(
        f"\nThe teacher has {teacher.count_params() / 1e6:.2f}M parameters. "
        f"The student has {student.count_params() / 1e6:.2f}M in a file of "
        f"{size:.0f} MiB, and predicts the same after loading."
    )


if __name__ == "__main__":
    app.run(main)
