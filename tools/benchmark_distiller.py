"""Step time and peak memory of distillation, against Keras' own and plain fit.

Three variants train the same student on the same batches:

- `ours`: `ones_keras.Distiller`, soft distillation;
- `keras`: `keras.distillation.Distiller` with `LogitsDistillation` set up to
  do the same work (its default does not, so it gets a `KLDivergence` object);
- `plain`: `student.fit` without a teacher.

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
most 1.05 times that of `keras`, and no more memory.
"""

import json
import os
import pathlib
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags, logging
from keras import layers
from memory_of_processes import memory_of_processes
from peak_memory import peak_memory

from ones_keras.distillation import Distiller
from ones_keras.write_aside import write_aside

VARIANTS = ("ours", "keras", "plain")

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


def trainer(model, variant):
    """Returns a compiled model that trains a new student as `variant`."""
    result = student = build(model, "student")
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
    return result


def data(steps):
    rng = np.random.default_rng(0)
    size = steps * _BATCH_SIZE.value
    x = rng.normal(size=(size, 32, 32, 3)).astype("float32")
    return x, rng.integers(0, _CLASSES, size=size).astype("int32")


def fit(model, x, y):
    model.fit(x, y, batch_size=_BATCH_SIZE.value, shuffle=False, verbose=0)


def time_steps(model):
    """Returns wall and CPU seconds a step, a list of turns a variant each."""
    x, y = data(_STEPS.value)
    trainers = {variant: trainer(model, variant) for variant in VARIANTS}
    for each in trainers.values():
        fit(each, x, y)
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    seconds = {clock: {v: [] for v in VARIANTS} for clock in clocks}
    for _ in range(_REPETITIONS.value):
        for variant, each in trainers.items():
            start = {name: clock() for name, clock in clocks.items()}
            fit(each, x, y)
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


def print_memory(model, variant):
    each = trainer(model, variant)
    x, y = data(_STEPS.value)
    before = peak_memory()
    fit(each, x, y)
    peak = peak_memory()
    print(json.dumps({"peak_mib": peak, "growth_mib": peak - before}))


def ratio(seconds, over):
    """Returns median, least and greatest of the turns' time ratios."""
    ratios = [
        a / b for a, b in zip(seconds["ours"], seconds[over], strict=True)
    ]
    return {
        "median": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
    }


def benchmark(model):
    """Times and measures all variants of one network, and prints a table."""
    result = {}
    print(f"{model}:")
    for clock, seconds in time_steps(model).items():
        medians = {k: statistics.median(v) for k, v in seconds.items()}
        ratios = {over: ratio(seconds, over) for over in ("keras", "plain")}
        result[clock] = {"seconds_a_step": medians, "ours_over": ratios}
        for variant, value in medians.items():
            print(f"  {variant:<6} {1e3 * value:8.2f} ms of {clock} a step")
        for over, of in ratios.items():
            print(
                f"  ours / {over}: {of['median']:.3f} of {clock} time "
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
        print_memory(_MODEL.value[0], _MEMORY_OF.value)
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
        record["models"][model] = benchmark(model)
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
