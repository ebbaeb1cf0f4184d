"""`tf.data` without the tuning that delays the end of an iterator."""

import tensorflow as tf


def untuned(dataset):
    """The same batches from a dataset that does not tune itself.

    Deleting an iterator ends the thread that tunes it, which now and then
    misses that it shall, and sleeps on with the deletion waiting for it: up to
    a minute, as at the end of a `fit` (TensorFlow 2.21;
    `tools/benchmark_iterator_end.py` shows it). Without the tuning
    `tf.data.AUTOTUNE` is the number of cores, at most 16, in a `map`; give a
    `prefetch` a number.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
