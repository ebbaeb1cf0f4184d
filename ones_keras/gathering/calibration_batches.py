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

    Args:
        data: As `input_batches` takes it, but not a one-time iterator.

    Raises:
        ValueError: If `data` can be gone through only once.
    """

    def __init__(self, data):
        if isinstance(data, collections.abc.Iterator):
            raise ValueError(
                "`calibration_data` is gone through several times, so it must "
                "be an array, a dict of arrays or an iterable that starts "
                "again, such as a list of batches or a `tf.data.Dataset`. "
                f"Received: `calibration_data={data}`."
            )
        self.data = data

    def __iter__(self):
        """Yields inputs of the model and `(B,)` bool, True for held out."""
        for x in input_batches(self.data, name="calibration_data"):
            yield x, _held_out(keras.tree.flatten(x))


def of_tokens(held_out, num_tokens):
    """`(T,)` bool from `(B,)`, where an example has `T / B` tokens in a row."""
    example = np.arange(num_tokens) * len(held_out) // num_tokens
    return held_out[example]


def _held_out(arrays):
    found = []
    for index in range(len(arrays[0])):
        checksum = 0
        for array in arrays:
            row = np.ascontiguousarray(array[index])
            if row.dtype.kind in "OUS":  # Text: bytes of what it says.
                row = np.frombuffer(repr(row.tolist()).encode(), "uint8")
            checksum = zlib.crc32(row.tobytes(), checksum)
        found.append(checksum % HELD_OUT_PART == 0)
    return np.array(found, bool)
