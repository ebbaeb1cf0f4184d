import keras
import numpy as np


def input_batches(data, batch_size=128):
    """The inputs of `data`, batch by batch, without labels or weights.

    Args:
        data: NumPy array of inputs, or an iterable of batches such as a
            finite `tf.data.Dataset`, whose elements are `x`, `(x, y)` or
            `(x, y, sample_weight)`.
        batch_size: int. Batch size, where `data` is an array. Defaults to
            `128`.

    Yields:
        NumPy arrays, in the structure of the model's inputs.

    Raises:
        ValueError: If `data` repeats for ever.
    """
    if isinstance(data, np.ndarray):
        for start in range(0, len(data), batch_size):
            yield data[start : start + batch_size]
        return
    # tf.data marks a dataset without an end by the cardinality -1.
    if hasattr(data, "cardinality") and int(data.cardinality()) == -1:
        raise ValueError(
            "The data must end, but the dataset repeats for ever. Shorten it "
            "with `data.take(num_batches)`."
        )
    for batch in data:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        yield keras.tree.map_structure(np.asarray, x)
