"""Batches of decoded images, with others in the place of unreadable ones."""

import os

import tensorflow as tf

_BATCHES_AT_ONCE = 2


def decoded_batches(sources, decode, unreadable, replace):
    """Decodes batches of encoded images in parallel.

    A batch whose images can all be decoded, as nearly every one, costs nothing
    more than a parallel map. In any other one each image that cannot be is
    counted by `unreadable`, which fails beyond its limit, and replaced by the
    next one of the batch that can, or left out. Either way the batch is a
    function of its sources alone. Where none of a batch can be decoded, it
    fails.

    Args:
        sources: `tf.data.Dataset` of dicts of tensors whose first axis is the
            batch, with `"name"` and `"source"` among them, as
            `UnreadableImages` takes them.
        decode: callable. From one entry of such a dict to a tuple of tensors.
        unreadable: `UnreadableImages`.
        replace: bool. Whether the batches keep their size, which is static
            then; otherwise an unreadable image is left out.

    Returns:
        A `tf.data.Dataset` of tuples of tensors, whose first axis is the
        batch, as many as there are batches of sources; it does not know how
        many those are.
    """

    # Traced once, and not wherever it stands below.
    decode = tf.function(decode)

    def decoded(batch):
        size = _size(batch, replace)
        entries = tf.data.Dataset.from_tensor_slices(batch)

        def batched(images):
            return images.batch(size, drop_remainder=replace)

        def refuse(entry):
            source = unreadable.refuse(entry["source"])
            return decode({**entry, "source": source})

        at_once = entries.map(decode, num_parallel_calls=os.cpu_count())
        one_by_one = tf.data.Dataset.range(size).flat_map(
            lambda n: _one(batch, n, decode, unreadable, replace)
        )
        # Each is begun only where the one before it has come to nothing.
        return (
            batched(at_once)
            .ignore_errors()
            .concatenate(batched(one_by_one))
            .concatenate(batched(entries.map(refuse)))
            .take(1)
        )

    return sources.interleave(
        decoded,
        cycle_length=_BATCHES_AT_ONCE,
        num_parallel_calls=_BATCHES_AT_ONCE,
        deterministic=True,
    )


def _size(batch, static):
    names = batch["name"]
    return names.shape[0] if static else tf.shape(names, "int64")[0]


def _one(batch, position, decode, unreadable, replace):
    """The image at a position, or the first after it that can be decoded."""
    size = tf.shape(batch["name"], "int64")[0]

    def entry(offset):
        index = (position + offset) % size
        return {name: values[index] for name, values in batch.items()}

    def attempt(offset):
        return tf.data.Dataset.from_tensors(entry(offset)).map(decode)

    def later_attempt(offset):
        before = entry(offset - 1)
        noted = tf.data.Dataset.from_tensors((before["name"], before["source"]))
        # Not under `ignore_errors`: this is where too many are refused.
        return noted.map(unreadable.note).flat_map(
            lambda unreadable: after(offset, unreadable)
        )

    def after(offset, unreadable):
        # An image that can be decoded has failed for another reason: that is
        # to be seen, unless it is gone.
        again = attempt(offset - 1).take(tf.cast(~unreadable, "int64"))
        if not replace:
            return again
        return again.concatenate(attempt(offset).ignore_errors())

    later = tf.data.Dataset.range(1, size + 1 if replace else 2)
    first = attempt(0).ignore_errors()
    return first.concatenate(later.flat_map(later_attempt)).take(1)
