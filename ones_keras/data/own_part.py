import tensorflow as tf


def own_part(batch, part):
    """The part of a batch that one of several hosts is to feed.

    Args:
        batch: nested structure of tensors whose first axis is the batch.
        part: pair of ints. The number of the part, and that of all parts.

    Returns:
        The same structure.

    Raises:
        ValueError: If the size of the batch is unknown, or the parts would not
            be alike.
    """
    number, parts = part
    if parts == 1:
        return batch

    def cut(tensor):
        if tensor.shape[0] is None or tensor.shape[0] % parts:
            raise ValueError(
                f"A batch must have a size that {parts} hosts can share, known "
                f"beforehand. Received: a tensor of shape {tensor.shape}."
            )
        size = tensor.shape[0] // parts
        return tensor[number * size : (number + 1) * size]

    return tf.nest.map_structure(cut, batch)
