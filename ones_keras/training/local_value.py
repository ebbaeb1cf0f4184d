import keras
import numpy as np


def local_value(variable):
    """The value of a variable as an array, wherever its parts lie.

    Args:
        variable: `keras.Variable`. Of several hosts each has to have all
            parts, in whatever way they are spread over its devices.

    Returns:
        NumPy array.
    """
    # Of replicas a tensor first: NumPy cannot read some of their variables.
    value = keras.ops.convert_to_tensor(variable)
    if getattr(value, "is_fully_addressable", True):
        return keras.ops.convert_to_numpy(value)
    whole = np.empty(value.shape, value.dtype)
    found = np.zeros(value.shape, "bool")
    for shard in value.addressable_shards:
        whole[shard.index] = shard.data
        found[shard.index] = True
    if not found.all():
        raise ValueError(
            "A host must have all parts of a variable on its devices. "
            f"Received: {variable.path} of shape {value.shape}, of which "
            f"{found.mean():.0%} are here."
        )
    return whole
