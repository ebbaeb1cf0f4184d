import keras
import numpy as np
from keras import ops

from ones_keras.layers.record_inputs import record_inputs
from ones_keras.without_autograd import without_autograd


def layer_errors(teacher, moe_layers, student_layers, batches):
    """Distance of each gathered layer from the MoE layer it replaces.

    Both are fed the tokens that reach the MoE layer in the teacher, at
    inference; a shared layer pools all its depths, and padding is left out.

    Args:
        teacher: `keras.Model`.
        moe_layers: dict from name to `MoEFeedForward`.
        student_layers: dict from name to layer, with `<name>_up` and
            `<name>_down` of each.
        batches: iterable of inputs of the teacher.

    Returns:
        A dict from layer name to `|student - MoE| / |MoE|` in the Frobenius
        norm, and the number of tokens of one layer (the most, if they differ).

    Raises:
        ValueError: If a layer gets no token.
    """
    squares = {name: np.zeros(2) for name in moe_layers}
    num_tokens = dict.fromkeys(moe_layers, 0)
    for batch in batches:
        with (
            record_inputs(list(moe_layers.values())) as calls,
            keras.StatelessScope(),
            without_autograd(),
        ):
            teacher(batch, training=False)
        for name, layer in moe_layers.items():
            up = student_layers[f"{name}_up"]
            down = student_layers[f"{name}_down"]
            for tokens, mask in calls[layer]:
                expected = _float64(layer(tokens, mask=mask, training=False))
                found = _float64(down(up(tokens)))
                if mask is not None:
                    valid = ops.convert_to_numpy(mask).astype(bool)
                    expected, found = expected[valid], found[valid]
                squares[name] += [
                    np.sum((found - expected) ** 2),
                    np.sum(expected**2),
                ]
                num_tokens[name] += len(expected)
    if not all(num_tokens.values()):
        raise ValueError(
            "`calibration_data` must bring at least one token to every "
            f"`MoEFeedForward` layer. Received: tokens a layer {num_tokens}."
        )
    errors = {
        # Nothing to be relative to, where the experts return zeros.
        name: float(np.sqrt(error / total)) if total else None
        for name, (error, total) in squares.items()
    }
    return errors, max(num_tokens.values())


def _float64(tensor):
    tensor = ops.cast(tensor, "float32")
    return np.array(ops.convert_to_numpy(tensor), "float64")
