"""Tensors of the models as NumPy arrays, and a check of what is in them."""

import numpy as np
from keras import ops


def to_float32(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def to_bool(mask):
    return np.array(ops.convert_to_numpy(mask), bool)


def check_finite(what, values, batch):
    """Raise a `ValueError` that counts what is not finite in `values`.

    Args:
        what: string. Whose values they are, the subject of the message.
        values: float array.
        batch: int. Number of the batch they are of.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            f"{what} are not finite on `calibration_data`: "
            f"{np.isnan(values).sum()} NaN and {np.isinf(values).sum()} "
            f"infinite values in batch {batch}, counted from 0."
        )
