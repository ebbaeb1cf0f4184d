"""Step time and peak memory of distillation, against Keras' own and plain fit.

Four variants train the same student on the same batches:

- `ours`: `ones_keras.Distiller`, soft distillation;
- `keras`: `keras.distillation.Distiller` with `LogitsDistillation` set up to
  do the same work (its default does not, so it gets a `KLDivergence` object);
- `plain`: `student.fit` without a teacher;
- `cached`: `ones_keras.Distiller` of a `TeacherCache`, the teacher's outputs
  read from a temporary folder.

Compilation is excluded by a warm-up. The variants are then timed in turns,
A B C A B C ..., and a ratio is taken within each turn, so that a machine
whose speed drifts or that is shared slows both sides of it. Printed are the
median of the ratios and their range, of wall time and of the process' own CPU
time, which other jobs on the machine disturb less. Peak resident memory is
the median of three processes for each variant, and so is how much of it came
after the models were built.

Launch, for each backend in turn:

```
KERAS_BACKEND=jax python tools/benchmark_distiller.py --json=distiller.json
```

It takes about five minutes on two idle cores. Expected: the step of `ours` at
most 1.05 times that of `keras`, and no more memory; that of `cached` at most
1.1 times that of `plain`.
"""

import json
import os
import pathlib
import platform
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags, logging
from keras import layers
from memory_of_processes import memory_of_processes
from peak_memory import peak_memory

from ones_keras.distillation import Distiller, TeacherCache
from ones_keras.write_aside import write_aside

VARIANTS = ("ours", "keras", "plain", "cached")
RATIOS = (("ours", "keras"), ("ours", "plain"), ("cached", "plain"))

_MODEL = flags.DEFINE_multi_enum(
    "model",
    ["mlp", "cnn", "vit"],
    ["mlp", "cnn", "vit"],
    "Network of teacher and student; repeat the flag for several.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Samples a step.", lower_bound=1
)
_STEPS = flags.DEFINE_integer(
    "steps", 10, "Steps timed at once, in one call of fit().", lower_bound=1
)
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 11, "Turns of all variants.", lower_bound=1
)
_MEMORY = flags.DEFINE_boolean("memory", True, "Measure peak memory as well.")
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")
_MEMORY_OF = flags.DEFINE_enum(
    "memory_of",
    None,
    VARIANTS,
    "Print the peak memory of this variant alone, in MiB, and stop.",
)

_CLASSES = 100


def build(model, role):
    """Returns a network of stock layers; the teacher is twice as wide."""
    scale = 2 if role == "teacher" else 1
    x = inputs = keras.Input((32, 32, 3))
    if model == "mlp":
        x = layers.Flatten()(x)
        for _ in range(3):
            x = layers.Dense(512 * scale, activation="gelu")(x)
    elif model == "cnn":
        for filters in (16, 32, 64):
            x = layers.Conv2D(filters * scale, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = layers.MaxPooling2D()(layers.ReLU()(x))
        x = layers.GlobalAveragePooling2D()(x)
    else:
        width = 64 * scale
        x = layers.Conv2D(width, 4, strides=4)(x)
        x = layers.Reshape((64, width))(x)
        for _ in range(4):
            y = layers.LayerNormalization()(x)
            x += layers.MultiHeadAttention(4, width // 4)(y, y)
            y = layers.LayerNormalization()(x)
            y = layers.Dense(4 * width, activation="gelu")(y)
            x += layers.Dropout(0.1)(layers.Dense(width)(y))
        x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(_CLASSES)(x))


def trainer(model, variant, folder):
    """A compiled model that trains a new student, and its batches."""
    result = student = build(model, "student")
    batches = data()
    if variant == "cached":
        cache = TeacherCache(folder, build(model, "teacher"), _STEPS.value)
        cache.fill(batches.skip)
        result = Distiller(cache, student, alpha=0.25, temperature=2.0)
        batches = cache.lessons(batches.skip)
    if variant == "ours":
        result = Distiller(
            build(model, "teacher"), student, alpha=0.25, temperature=2.0
        )
    elif variant == "keras":
        result = keras.distillation.Distiller(
            build(model, "teacher"),
            student,
            keras.distillation.LogitsDistillation(
                temperature=2.0, loss=keras.losses.KLDivergence()
            ),
            student_loss_weight=0.25,
        )
    result.compile(
        optimizer="adamw",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return result, batches


def data():
    rng = np.random.default_rng(0)
    size = _STEPS.value * _BATCH_SIZE.value
    x = rng.normal(size=(size, 32, 32, 3)).astype("float32")
    y = rng.integers(0, _CLASSES, size=size).astype("int32")
    with tf.device("/cpu:0"):
        examples = tf.data.Dataset.from_tensor_slices((x, y))
    return examples.batch(_BATCH_SIZE.value, drop_remainder=True)


def fit(model, batches):
    steps = _STEPS.value
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def time_steps(model, folder):
    """Returns wall and CPU seconds a step, a list of turns a variant each."""
    trainers = {
        variant: trainer(model, variant, folder) for variant in VARIANTS
    }
    for each in trainers.values():
        fit(*each)
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    seconds = {clock: {v: [] for v in VARIANTS} for clock in clocks}
    for _ in range(_REPETITIONS.value):
        for variant, each in trainers.items():
            start = {name: clock() for name, clock in clocks.items()}
            fit(*each)
            for name, clock in clocks.items():
                elapsed = clock() - start[name]
                seconds[name][variant].append(elapsed / _STEPS.value)
    return seconds


def measure_memory(model, variant):
    """Returns peak memory and its growth in training, from new processes."""
    return memory_of_processes(
        [
            __file__,
            f"--model={model}",
            f"--memory_of={variant}",
            f"--batch_size={_BATCH_SIZE.value}",
            f"--steps={_STEPS.value}",
        ]
    )


def print_memory(model, variant, folder):
    each = trainer(model, variant, folder)
    before = peak_memory()
    fit(*each)
    peak = peak_memory()
    print(json.dumps({"peak_mib": peak, "growth_mib": peak - before}))


def ratio(seconds, variant, over):
    """Returns median, least and greatest of the turns' time ratios."""
    ratios = [
        a / b for a, b in zip(seconds[variant], seconds[over], strict=True)
    ]
    return {
        "median": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
    }


def benchmark(model, folder):
    """Times and measures all variants of one network, and prints a table."""
    result = {}
    print(f"{model}:")
    for clock, seconds in time_steps(model, folder).items():
        medians = {k: statistics.median(v) for k, v in seconds.items()}
        ratios = {
            f"{variant} / {over}": ratio(seconds, variant, over)
            for variant, over in RATIOS
        }
        result[clock] = {"seconds_a_step": medians, "ratios": ratios}
        for variant, value in medians.items():
            print(f"  {variant:<6} {1e3 * value:8.2f} ms of {clock} a step")
        for name, of in ratios.items():
            print(
                f"  {name}: {of['median']:.3f} of {clock} time "
                f"({of['min']:.3f} to {of['max']:.3f})"
            )
    if _MEMORY.value:
        result["memory"] = {v: measure_memory(model, v) for v in VARIANTS}
        for variant, of in result["memory"].items():
            print(
                f"  {variant:<6} {of['peak_mib']:8.1f} MiB at the peak, "
                f"{of['growth_mib']:.1f} of them in training"
            )
    return result


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Too many arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    if _MEMORY_OF.value:
        with tempfile.TemporaryDirectory() as folder:
            print_memory(_MODEL.value[0], _MEMORY_OF.value, folder)
        return
    if _JSON.value and not os.access(
        pathlib.Path(_JSON.value).resolve().parent, os.W_OK
    ):
        raise app.UsageError(f"Cannot write --json={_JSON.value}.")
    record = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "batch_size": _BATCH_SIZE.value,
        "steps": _STEPS.value,
        "repetitions": _REPETITIONS.value,
        "models": {},
    }
    print(f"keras {keras.__version__} on {keras.backend.backend()}")
    for model in _MODEL.value:
        with tempfile.TemporaryDirectory() as folder:
            record["models"][model] = benchmark(model, folder)
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
