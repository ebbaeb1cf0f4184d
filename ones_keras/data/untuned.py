"""`tf.data` without the tuning that delays the end of an iterator."""

import tensorflow as tf


def untuned(dataset):
    """The same batches from a dataset that does not tune itself.

    Deleting an iterator ends the thread that tunes it, which now and then
    misses that it shall, and sleeps on with the deletion waiting for it: up to
    a minute at the end of each `fit`, more often on a busy machine (TensorFlow
    2.21: waiters are woken before a cancellation can be seen). Without it
    `tf.data.AUTOTUNE` is the number of cores, and at most 16, for a `map`; for
    a `prefetch` it grows without regard to memory, so that a number has to be
    given there.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
