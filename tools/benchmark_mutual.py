"""What mutual distillation adds to a training step.

Trains the same model without it and with it, in turns, and takes the ratio
within each turn, so that a machine that is shared slows both:

- `digits`: the teacher of the image recipe, `widenet_vit_tiny`;
- `vit`: a WideNet-ViT of 4 layers, width 256, on 64 patches;
- `mixture`: eight networks of `ones_keras.mutual.MixtureOfModels`.

    KERAS_BACKEND=jax python tools/benchmark_mutual.py --json=mutual.json

Expected, of processor time: at most 1.1 (docs/benchmarks.md).
"""

import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from keras import layers

import ones_keras
from ones_keras.write_aside import write_aside

MODELS = ("digits", "vit", "mixture")
VARIANTS = {"without": 0.0, "with": 0.1}
_MODELS = flags.DEFINE_multi_enum("model", MODELS, MODELS, "Which to time.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.", 1)
_STEPS = flags.DEFINE_integer("steps", 10, "Steps a turn.", lower_bound=1)
_REPETITIONS = flags.DEFINE_integer("repetitions", 15, "Turns.", lower_bound=1)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")


def build(model, mutual_distillation):
    """A model, and the shape of its images."""
    if model == "mixture":
        shape = 28, 28, 1

        def network(units, *hidden):
            return keras.Sequential(
                [
                    *(keras.Input(shape), layers.Flatten()),
                    *(*hidden, layers.Dense(units)),
                ]
            )

        experts = [
            network(10, layers.Dense(128, activation="relu")) for _ in range(8)
        ]
        return ones_keras.mutual.MixtureOfModels(
            experts, network(8), mutual_distillation=mutual_distillation
        ), shape
    options = {}
    if model == "vit":
        options = {
            "image_shape": (32, 32, 3),
            "patch_size": 4,
            "num_layers": 4,
            "num_heads": 4,
            "hidden_dim": 256,
            "intermediate_dim": 1024,
        }
    found = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny",
        num_classes=10,
        mutual_distillation=mutual_distillation,
        **options,
    )
    return found, found.input_shape[1:]


def trainer(model, variant):
    """A compiled model and its batches."""
    keras.utils.set_random_seed(0)
    found, shape = build(model, VARIANTS[variant])
    found.compile(
        "adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    rng = np.random.default_rng(0)
    size = _STEPS.value * _BATCH_SIZE.value
    images = rng.uniform(0, 255, (size, *shape)).astype("float32")
    labels = rng.integers(0, 10, size)
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    return found, batches.batch(_BATCH_SIZE.value, drop_remainder=True)


def time_steps(model):
    """Wall and CPU seconds a step, a list of turns a variant each."""
    trainers = {variant: trainer(model, variant) for variant in VARIANTS}
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    seconds = {clock: {v: [] for v in VARIANTS} for clock in clocks}
    for turn in range(_REPETITIONS.value + 1):
        for variant, (found, batches) in trainers.items():
            start = {name: clock() for name, clock in clocks.items()}
            found.fit(batches, shuffle=False, verbose=0)
            if not turn:
                continue  # The first compiles.
            for name, clock in clocks.items():
                elapsed = clock() - start[name]
                seconds[name][variant].append(elapsed / _STEPS.value)
    return seconds


def ratio(seconds):
    """Median, least and greatest of the turns' ratios, with to without."""
    ratios = [
        slow / fast
        for slow, fast in zip(seconds["with"], seconds["without"], strict=True)
    ]
    return {
        "median": statistics.median(ratios),
        "least": min(ratios),
        "greatest": max(ratios),
    }


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    record = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "batch_size": _BATCH_SIZE.value,
        "steps": _STEPS.value,
        "models": {},
    }
    for model in dict.fromkeys(_MODELS.value):
        seconds = time_steps(model)
        ratios = {clock: ratio(found) for clock, found in seconds.items()}
        record["models"][model] = {"seconds": seconds, "ratio": ratios}
        for clock, found in ratios.items():
            milliseconds = 1000 * statistics.median(seconds[clock]["without"])
            print(
                f"{model}, {clock}: {milliseconds:.1f} ms a step, with mutual "
                f"distillation {found['median']:.3f} times that "
                f"({found['least']:.3f} to {found['greatest']:.3f})"
            )
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
