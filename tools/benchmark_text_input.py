"""Does the text pipeline keep up with training?

Measures how many sequences a second a corpus gives by itself, and the share of
a training step that is spent waiting for the next batch, while the pipeline
works on beside the training as it does in `fit`.

    KERAS_BACKEND=jax python tools/benchmark_text_input.py --json=input.json

Texts are shuffled by some thousands at a time, and the tokenising of the next
ones is what there may be to wait for: both are measured over several times as
many. The defaults are those of `albert_ones.py`, whose aim is that waiting is
a few percent at most.
"""

import itertools
import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags

import ones_keras
from ones_keras.data.text.text_corpus import SHUFFLED_TEXTS
from ones_keras.write_aside import write_aside

_CORPUS = flags.DEFINE_string("corpus", "builtin", "As in albert_ones.py.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "As in albert_ones.py.")
_VOCABULARY = flags.DEFINE_string(
    "vocabulary", None, "A vocabulary file; learned if it is not given."
)
_MODEL = flags.DEFINE_string(
    "model", "ones_albert_tiny", "Preset of what is trained."
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 128, "Sequences a step.", lower_bound=1
)
_LENGTH = flags.DEFINE_integer(
    "sequence_length", 32, "Tokens of a sequence.", lower_bound=11
)
_TURNS = flags.DEFINE_integer(
    "turns", 3, "How often as many texts as are shuffled.", lower_bound=1
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    corpus = ones_keras.data.load_text_corpus(_CORPUS.value, _DATA_DIR.value)
    if _VOCABULARY.value:
        tokenizer = ones_keras.data.load_tokenizer(_VOCABULARY.value)
    else:
        tokenizer = ones_keras.data.train_tokenizer(
            corpus.train_split.documents(), 1000
        )
    batches = corpus.train(tokenizer, _BATCH_SIZE.value, _LENGTH.value)
    rate = sequences_a_second(batches)
    waiting, steps = time_steps(batches, tokenizer)
    record = {
        "backend": keras.backend.backend(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "flags": {
            flag.name: flag.value
            for flag in (_CORPUS, _MODEL, _BATCH_SIZE, _LENGTH, _TURNS)
        },
        "sequences_a_second": rate,
        "tokens_a_second": rate * _LENGTH.value,
        "step_seconds": statistics.median(steps),
        "waiting_share": sum(waiting) / sum(steps),
        "longest_wait_seconds": max(waiting),
    }
    print(
        f"{rate:,.0f} sequences of {_LENGTH.value} tokens a second; "
        f"{100 * record['waiting_share']:.1f} % of a step of "
        f"{1000 * record['step_seconds']:.0f} ms is waiting"
    )
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


def sequences_a_second(batches):
    stream = iter(batches)
    steps = steps_a_turn()
    for _ in itertools.islice(stream, steps):
        pass  # The first ones are there before anything is asked for.
    start = time.perf_counter()
    for _ in itertools.islice(stream, _TURNS.value * steps):
        pass
    seconds = time.perf_counter() - start
    return _TURNS.value * steps * _BATCH_SIZE.value / seconds


def time_steps(batches, tokenizer):
    """Seconds of each step that are waiting, and all of them."""
    model = ones_keras.models.AlbertMaskedLM.from_preset(
        _MODEL.value,
        vocabulary_size=tokenizer.vocabulary_size,
        max_sequence_length=_LENGTH.value,
    )
    waiting, steps = [], []
    stream = iter(batches)
    model.train_on_batch(*arrays(next(stream)))  # Compiles.
    for _ in range(_TURNS.value * steps_a_turn()):
        start = time.perf_counter()
        batch = arrays(next(stream))
        waiting.append(time.perf_counter() - start)
        model.train_on_batch(*batch)
        steps.append(time.perf_counter() - start)
    return waiting, steps


def steps_a_turn():
    return -(-SHUFFLED_TEXTS // _BATCH_SIZE.value)


def arrays(batch):
    return keras.tree.map_structure(np.asarray, batch)


if __name__ == "__main__":
    app.run(main)
