import collections.abc
import zlib

import keras
import numpy as np

from ones_keras.data.input_batches import input_batches

# One example in so many is held out from the methods, for the report.
HELD_OUT_PART = 5


class CalibrationBatches:
    """The user's calibration data, again and again, and what is held out of it.

    An example is held out or not by what it holds, so that the split is the
    same in each pass, whatever the order, and equal examples stay together.
    Data that is augmented anew in each pass is other data each time: an
    example may then be held out as one view and seen as another.

    Args:
        data: As `input_batches` takes it, but not a one-time iterator.
        preprocess: callable or `None`. Applied to each batch; a KerasHub task
            brings one. Defaults to `None`.
        needs_held_out: bool. Whether data of which nothing is held out is
            refused. Defaults to `False`.

    Raises:
        ValueError: If `data` is nothing that can be gone through several times.
    """

    def __init__(self, data, preprocess=None, needs_held_out=False):
        if isinstance(data, collections.abc.Iterator):
            raise ValueError(
                "`calibration_data` is gone through several times, so it must "
                "be an array, a dict of arrays or an iterable that starts "
                "again, such as a list of batches or a `tf.data.Dataset`. "
                f"Received: `calibration_data={data}`."
            )
        if isinstance(data, str) or not isinstance(
            data, collections.abc.Iterable
        ):
            raise ValueError(
                "`calibration_data` must be an array, a dict of arrays or an "
                f"iterable of batches. Received: `calibration_data={data!r}`."
            )
        self.data = data
        self.preprocess = preprocess
        self.needs_held_out = needs_held_out

    def __iter__(self):
        """Yields inputs of the model and the examples' checksums `(B,)`."""
        num_examples = num_held_out = 0
        for x in input_batches(self.data, name="calibration_data"):
            arrays = keras.tree.flatten(x)
            lengths = {np.shape(array)[:1] for array in arrays}
            if len(lengths) > 1 or () in lengths:
                raise ValueError(
                    "The arrays of a batch of `calibration_data` must have "
                    "one number of examples as their first dimension. "
                    "Received: arrays of shapes "
                    f"{[np.shape(array) for array in arrays]}."
                )
            checksums = _checksums(arrays)
            num_examples += len(checksums)
            num_held_out += held_out(checksums).sum()
            if self.preprocess is not None:
                # Of a task that is trained on what it makes of `x` alone,
                # labels come too.
                x, _, _ = keras.utils.unpack_x_y_sample_weight(
                    self.preprocess(x)
                )
            yield x, checksums
        if self.needs_held_out and not num_held_out:
            raise ValueError(
                "`calibration_data` is too little for a report: one example in "
                f"{HELD_OUT_PART}, by its checksum, is held out for it. "
                f"Received: {num_examples} examples, none of them held out."
            )


def held_out(checksums):
    """Which examples are held out from the methods, a bool array."""
    return checksums % HELD_OUT_PART == 0


def of_tokens(examples, num_tokens):
    """`(T,)` from `(B,)`, where an example has `T / B` tokens in a row."""
    if num_tokens % len(examples):
        raise ValueError(
            "The tokens of a `MoEFeedForward` layer cannot be told apart by "
            "example: `calibration_data` brought a batch of "
            f"{len(examples)} examples, and the layer {num_tokens} tokens."
        )
    return np.repeat(examples, num_tokens // len(examples))


def _checksums(arrays):
    found = []
    for index in range(len(arrays[0])):
        checksum = 0
        for array in arrays:
            row = np.ascontiguousarray(array[index])
            if row.dtype.kind in "OUS":  # Text: bytes of what it says.
                row = np.frombuffer(repr(row.tolist()).encode(), "uint8")
            checksum = zlib.crc32(row.tobytes(), checksum)
        found.append(checksum)
    return np.array(found, "int64")
