import collections

import keras
import keras_hub
import numpy as np
from absl import logging

from ones_keras.gathering.arrays import check_finite, to_bool, to_float32
from ones_keras.gathering.calibration_batches import held_out, of_tokens
from ones_keras.layers.record_inputs import record_inputs
from ones_keras.metrics.agreement import AgreementSum
from ones_keras.normalizing_operation import normalizing_operation
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
        the `agreement` of a `GatheringReport`.

    Raises:
        ValueError: If a layer gets no token, or one that is not finite.
    """
    squares = {name: np.zeros(2) for name in moe_layers}
    num_tokens = dict.fromkeys(moe_layers, 0)
    agreements = collections.defaultdict(AgreementSum)
    for number, (x, examples) in enumerate(batches):
        use = held_out(examples) if held_out_only else examples == examples
        with (
            record_inputs(list(moe_layers.values())) as calls,
            keras.StatelessScope(),
            without_autograd(),
        ):
            outputs = teacher(x, training=False)
            student_outputs = student(x, training=False)
        masks = [call.mask for own in calls.values() for call in own]
        masks = [to_bool(mask) for mask in masks if mask is not None]
        for name, logits, own in _logits(teacher, outputs, student_outputs):
            if len(logits) == len(examples):
                used = _predictions(use, logits, masks)
                agreements[name].add(logits[used], own[used])
        for name, layer in moe_layers.items():
            up = student_layers[f"{name}_up"]
            down = student_layers[f"{name}_down"]
            for tokens, mask, moe_outputs in calls[layer]:
                with without_autograd():
                    found = _float64(down(up(tokens)))
                expected = _float64(moe_outputs)
                used = of_tokens(use, len(expected))
                if mask is not None:
                    used &= to_bool(mask)
                expected, found = expected[used], found[used]
                check_finite(
                    f"The outputs of the layer {name!r}", expected, number
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
    bad = [name for name, error in errors.items() if not _is_finite(error)]
    if bad:
        logging.warning(
            "gather: what the student makes of the layers %s is not finite on "
            "`calibration_data`, so the report says nothing of them.",
            bad,
        )
    found = {name: total.result() for name, total in agreements.items()}
    found = {name: own for name, own in found.items() if _is_finite(own.kl)}
    return (
        {name: None if name in bad else own for name, own in errors.items()},
        max(num_tokens.values()),
        # A single tensor has no path.
        found.get("", found) or None,
    )


def _logits(teacher, outputs, student_outputs):
    """The outputs of both models that are logits, as far as one can tell.

    Yields:
        Where the output is, as in `"masked_lm"` or `"0"`, empty for one that is
        all the model returns, and the `(B, ..., C)` float64 arrays.
    """
    if isinstance(teacher, keras_hub.models.Backbone):
        return  # Features, whichever shape they have.
    for (path, logits), own, symbolic in zip(
        keras.tree.flatten_with_path(outputs),
        keras.tree.flatten(student_outputs),
        keras.tree.flatten(teacher.output),
        strict=True,
    ):
        if (
            len(logits.shape) >= 2
            and logits.shape[-1] > 1
            and not normalizing_operation(symbolic)
        ):
            yield "/".join(map(str, path)), _float64(logits), _float64(own)


def _predictions(use, logits, masks):
    """Which predictions count, a bool array of the shape without classes.

    Those of padding do not, where an output has one for each token of a MoE
    layer.
    """
    shape = logits.shape[:-1]
    used = np.broadcast_to(use.reshape(-1, *[1] * (len(shape) - 1)), shape)
    for mask in masks:
        if len(shape) > 1 and mask.size == used.size:
            return used & mask.reshape(shape)
    return used


def _is_finite(value):
    return value is None or np.isfinite(value)


def _float64(tensor):
    return to_float32(tensor).astype("float64")
