import collections

import keras
import numpy as np
from keras import ops

from ones_keras.gathering.calibration_batches import held_out, of_tokens
from ones_keras.layers.record_inputs import record_inputs
from ones_keras.metrics.agreement import AgreementSum
from ones_keras.without_autograd import without_autograd


def measure_student(
    teacher, student, moe_layers, student_layers, batches, held_out_only
):
    """Distance of a gathered student from its teacher, by layer and whole.

    A gathered layer and its MoE layer are fed the tokens that reach the MoE
    layer in the teacher, at inference; a shared layer pools all its depths, and
    padding is left out.

    Args:
        teacher: `keras.Model`.
        student: `keras.Model`.
        moe_layers: dict from name to `MoEFeedForward`.
        student_layers: dict from name to layer, with `<name>_up` and
            `<name>_down` of each.
        batches: `CalibrationBatches`.
        held_out_only: bool. Whether only the examples are used that were held
            out from the method.

    Returns:
        A dict from layer name to `|student - MoE| / |MoE|` in the Frobenius
        norm, the number of tokens of one layer (the most, if they differ), and
        the `TeacherAgreement`: of a model with several outputs a dict from
        where an output is to its agreement, and `None` where no output is
        logits, an example each. Padding counts as a prediction.

    Raises:
        ValueError: If a layer gets no token, or one that is not finite.
    """
    squares = {name: np.zeros(2) for name in moe_layers}
    num_tokens = dict.fromkeys(moe_layers, 0)
    agreements = collections.defaultdict(AgreementSum)
    for x, examples in batches:
        use = held_out(examples) if held_out_only else examples == examples
        with (
            record_inputs(list(moe_layers.values())) as calls,
            keras.StatelessScope(),
            without_autograd(),
        ):
            outputs = teacher(x, training=False)
            student_outputs = student(x, training=False)
        for (path, logits), student_logits in zip(
            keras.tree.flatten_with_path(outputs),
            keras.tree.flatten(student_outputs),
            strict=True,
        ):
            if _is_logits(logits, len(examples)):
                agreements["/".join(map(str, path))].add(
                    _float64(logits)[use], _float64(student_logits)[use]
                )
        for name, layer in moe_layers.items():
            up = student_layers[f"{name}_up"]
            down = student_layers[f"{name}_down"]
            for tokens, mask, moe_outputs in calls[layer]:
                with without_autograd():
                    found = _float64(down(up(tokens)))
                expected = _float64(moe_outputs)
                used = of_tokens(use, len(expected))
                if mask is not None:
                    used &= ops.convert_to_numpy(mask).astype(bool)
                expected, found = expected[used], found[used]
                if not np.isfinite(expected).all():
                    raise ValueError(
                        f"The outputs of the layer {name!r} are not finite on "
                        "`calibration_data`: "
                        f"{(~np.isfinite(expected)).sum()} values of a batch."
                    )
                squares[name] += [
                    np.sum((found - expected) ** 2),
                    np.sum(expected**2),
                ]
                num_tokens[name] += len(expected)
    if not all(num_tokens.values()):
        raise ValueError(
            "`calibration_data` must bring at least one token to every "
            "`MoEFeedForward` layer for the report"
            + (
                ", of the fifth of the examples that is held out for it. "
                if held_out_only
                else ". "
            )
            + f"Received: tokens a layer {num_tokens}."
        )
    errors = {
        # Nothing to be relative to, where the experts return zeros.
        name: float(np.sqrt(error / total)) if total else None
        for name, (error, total) in squares.items()
    }
    found = {name: total.result() for name, total in agreements.items()}
    # A single tensor has no path.
    return errors, max(num_tokens.values()), found.get("", found) or None


def _is_logits(outputs, num_examples):
    return (
        len(outputs.shape) >= 2
        and outputs.shape[0] == num_examples
        and outputs.shape[-1] > 1
    )


def _float64(tensor):
    tensor = ops.cast(tensor, "float32")
    return np.array(ops.convert_to_numpy(tensor), "float64")
