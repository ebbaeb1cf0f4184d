"""How long the end of a pass over the data takes, with tuning and without.

Reads the training batches of the digits for a while, as `fit` does, in several
iterators at once, and then deletes one after the other. `tf.data` tunes itself
unless it is told not to, and waits for its tuning when an iterator ends;
`ones_keras` tells it not to (`ones_keras/data/untuned.py`).

    python tools/benchmark_iterator_end.py --json=iterator_end.json

It takes two to ten minutes. Expected: milliseconds without tuning; with it up
to a minute for some iterators, for more of them where the machine is busy.
"""

import json
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app, flags

import ones_keras
from ones_keras.write_aside import write_aside

_ITERATORS = flags.DEFINE_integer(
    "iterators", 10, "Iterators of a kind.", lower_bound=1
)
_SECONDS = flags.DEFINE_float(
    "seconds", 60, "How long they are read.", lower_bound=0
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")


def tuned(dataset):
    options = tf.data.Options()
    options.autotune.enabled = True
    return dataset.with_options(options)


def seconds_to_delete(iterators):
    found = []
    while iterators:
        iterator = iterators.pop()
        next(iterator)
        start = time.perf_counter()
        del iterator
        found.append(time.perf_counter() - start)
    return found


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    digits = ones_keras.data.load_image_dataset("digits")
    kinds = {"untuned": digits.train(128), "tuned": tuned(digits.train(128))}
    iterators = {
        name: [iter(dataset) for _ in range(_ITERATORS.value)]
        for name, dataset in kinds.items()
    }
    end = time.monotonic() + _SECONDS.value
    while time.monotonic() < end:
        for some in iterators.values():
            for iterator in some:
                next(iterator)
        time.sleep(0.1)
    seconds = {
        name: seconds_to_delete(some) for name, some in iterators.items()
    }
    for name, each in seconds.items():
        print(
            f"{name}: longest {max(each):.3f} s, "
            f"mean {sum(each) / len(each):.3f} s, of {len(each)}"
        )
    if _JSON.value:
        record = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "tensorflow": tf.__version__,
            "seconds_read": _SECONDS.value,
            "seconds": seconds,
        }
        with write_aside(_JSON.value) as path:
            path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
