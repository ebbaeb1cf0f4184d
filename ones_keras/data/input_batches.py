import keras
import numpy as np


def input_batches(data, batch_size=128, name="data"):
    """The inputs of `data`, batch by batch, without labels or weights.

    Args:
        data: Array of inputs, or dict of arrays, or an iterable of batches
            such as a finite `tf.data.Dataset`, whose elements are `x`,
            `(x, y)` or `(x, y, sample_weight)`.
        batch_size: int. Batch size, where `data` is an array. Defaults to
            `128`.
        name: string. The caller's name of `data`, for errors. Defaults to
            `"data"`.

    Returns:
        An iterator of NumPy arrays, in the structure of the model's inputs.

    Raises:
        ValueError: If `data` repeats for ever, or is a tuple, which may be
            meant as inputs and labels or as batches.
    """
    if isinstance(data, tuple):
        raise ValueError(
            f"`{name}` must be an array of inputs, a dict of arrays or an "
            f"iterable of batches. Received: `{name}` a tuple of "
            f"{[type(part).__name__ for part in data]}; of inputs and labels "
            "the inputs are enough."
        )
    # tf.data marks a dataset without an end by the cardinality -1.
    if hasattr(data, "cardinality") and int(data.cardinality()) == -1:
        raise ValueError(
            f"`{name}` must end, but the dataset repeats for ever. Shorten it "
            "with `.take(num_batches)`."
        )
    if _is_array(data) or isinstance(data, dict):
        return _slices(keras.tree.map_structure(_to_numpy, data), batch_size)
    return _inputs(data)


def _slices(arrays, batch_size):
    for start in range(0, len(keras.tree.flatten(arrays)[0]), batch_size):
        stop = start + batch_size
        yield keras.tree.map_structure(
            lambda array, start=start, stop=stop: array[start:stop], arrays
        )


def _inputs(batches):
    for batch in batches:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        yield keras.tree.map_structure(_to_numpy, x)


def _is_array(data):
    return isinstance(data, np.ndarray) or keras.ops.is_tensor(data)


def _to_numpy(value):
    if keras.ops.is_tensor(value):
        return keras.ops.convert_to_numpy(value)
    return np.asarray(value)
