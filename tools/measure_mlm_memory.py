"""Peak memory of distilling a masked language model of 30,000 words.

Trains `ones_albert_base` for a few steps of 32 sequences of 128 tokens, by
itself and distilled from `widenet_albert_base_4e`, each in processes of their
own, and compares what training adds to the peak memory of a process, over
what was there when the models were built. The teacher's weights are there by
then, so that what is left is the teacher's pass and the distillation.

    KERAS_BACKEND=jax python tools/measure_mlm_memory.py --json=mlm_memory.json

The aim: a distilled step needs at most 1.2 times the memory of a plain one,
teacher's weights aside.
"""

import gc
import json
import os
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags
from memory_of_processes import memory_of_processes
from peak_memory import peak_memory, resident_memory

import ones_keras
from ones_keras.data.text.mask_spans import num_masked
from ones_keras.write_aside import write_aside

VARIANTS = ("plain", "distilled")

_TEACHER = flags.DEFINE_string(
    "teacher", "widenet_albert_base_4e", "Preset of the teacher."
)
_LAYERS = flags.DEFINE_integer(
    "num_layers", 12, "Layers of both models.", lower_bound=1
)
_VOCABULARY = flags.DEFINE_integer(
    "vocabulary_size", 30000, "Words.", lower_bound=10
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Sequences a step.", lower_bound=1
)
_LENGTH = flags.DEFINE_integer(
    "sequence_length", 128, "Tokens of a sequence.", lower_bound=8
)
_STEPS = flags.DEFINE_integer("steps", 3, "Training steps.", lower_bound=1)
_RUNS = flags.DEFINE_integer(
    "runs", 3, "Processes a variant, of which the median counts.", lower_bound=1
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")
_MEMORY_OF = flags.DEFINE_enum(
    "memory_of", None, VARIANTS, "Print the memory of this variant, and stop."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    if _MEMORY_OF.value:
        print(json.dumps(measure(_MEMORY_OF.value)))
        return
    found = {variant: memory(variant) for variant in VARIANTS}
    weights = found["distilled"]["teacher_weights"]
    added = {variant: found[variant]["added"] for variant in VARIANTS}
    whole = {variant: found[variant]["peak"] for variant in VARIANTS}
    record = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "flags": {
            flag.name: flag.value
            for flag in (_TEACHER, _LAYERS, _VOCABULARY, _BATCH_SIZE, _LENGTH)
        },
        "mib": found,
        "added_by_training_ratio": added["distilled"] / added["plain"],
        "whole_process_ratio": (whole["distilled"] - weights) / whole["plain"],
    }
    for variant in VARIANTS:
        print(
            f"{variant}: {added[variant]:.0f} MiB added by training, "
            f"{whole[variant]:.0f} MiB in all"
        )
    print(
        f"distilled / plain: {record['added_by_training_ratio']:.2f} added, "
        f"{record['whole_process_ratio']:.2f} of the process without the "
        f"teacher's weights of {weights:.0f} MiB"
    )
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


def memory(variant):
    arguments = [__file__, f"--memory_of={variant}"]
    for flag in (_TEACHER, _LAYERS, _VOCABULARY, _BATCH_SIZE, _LENGTH, _STEPS):
        arguments.append(f"--{flag.name}={flag.value}")
    return memory_of_processes(arguments, _RUNS.value)


def measure(variant):
    """The memory of this process, in MiB."""
    teacher = ones_keras.models.AlbertMaskedLM.from_preset(
        _TEACHER.value,
        num_layers=_LAYERS.value,
        vocabulary_size=_VOCABULARY.value,
    )
    model = student = teacher.to_dense()
    teacher_weights = 0.0
    if variant == "plain":
        del teacher
        gc.collect()  # A model is in cycles of references.
    else:
        count = sum(np.prod(w.shape) for w in teacher.weights)
        teacher_weights = float(count) * 4 / 2**20
        model = ones_keras.Distiller(
            teacher, student, alpha=0.75, outputs="masked_lm"
        )
    model.compile(
        optimizer="adamw",
        loss={
            name: keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
            for name in ("masked_lm", "sentence_order")
        },
    )
    x, y, weights = batches()
    before = resident_memory()
    model.fit(
        x,
        y,
        sample_weight=weights,
        batch_size=_BATCH_SIZE.value,
        shuffle=False,
        verbose=0,
    )
    peak = peak_memory()
    return {
        "before": before,
        "peak": peak,
        "added": peak - before,
        "teacher_weights": teacher_weights,
    }


def batches():
    """Inputs, labels and weights of the steps."""
    rng = np.random.default_rng(0)
    size, length = _STEPS.value * _BATCH_SIZE.value, _LENGTH.value
    places = num_masked(length)
    words = rng.integers(5, _VOCABULARY.value, (size, length)).astype("int32")
    x = {
        "token_ids": words,
        "segment_ids": np.zeros_like(words),
        "padding_mask": np.ones_like(words),
        "mask_positions": np.tile(np.arange(places, dtype="int32"), (size, 1)),
    }
    y = {
        "masked_lm": words[:, :places],
        "sentence_order": rng.integers(0, 2, size).astype("int32"),
    }
    weights = {
        name: np.ones(value.shape, "float32") for name, value in y.items()
    }
    return x, y, weights


if __name__ == "__main__":
    app.run(main)
