"""Whether the options of a `Distiller` make sense together."""

import math
import numbers

import keras


def check_distillation(alpha, temperature, distillation):
    """Raises a `ValueError` for options out of range or at odds."""
    if not _is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(
            "`alpha`, the weight of the labels' loss, must be a number in "
            f"[0, 1]. Received: `alpha={alpha!r}`."
        )
    if not _is_number(temperature) or not 0 < temperature < math.inf:
        raise ValueError(
            "`temperature` must be a positive, finite number. Received: "
            f"`temperature={temperature!r}`."
        )
    if isinstance(distillation, keras.distillation.DistillationLoss):
        _check_distillation_loss(distillation)
    elif not isinstance(distillation, str) or distillation not in (
        "soft",
        "hard",
    ):
        raise ValueError(
            '`distillation` must be `"soft"`, `"hard"` or a '
            "`keras.distillation.DistillationLoss`. Received: "
            f"`distillation={distillation!r}`."
        )
    if temperature != 1 and distillation != "soft":
        raise ValueError(
            '`temperature` belongs to `distillation="soft"` alone: hard '
            "labels have none, a `DistillationLoss` brings its own. "
            f"Received: `temperature={temperature!r}`, "
            f"`distillation={distillation!r}`."
        )


def _check_distillation_loss(loss):
    for argument in ("teacher_layer_name", "student_layer_name"):
        if getattr(loss, argument, None) is not None:
            raise ValueError(
                "A `Distiller` compares outputs; features of inner layers "
                "need `keras.distillation.Distiller`, or models that return "
                "those features as outputs. Received: "
                f"`{argument}={getattr(loss, argument)!r}` in "
                f"`distillation={type(loss).__name__}(...)`."
            )
    if isinstance(loss, keras.distillation.LogitsDistillation) and any(
        part is keras.losses.kl_divergence
        for part in keras.tree.flatten(loss.loss)
    ):
        raise ValueError(
            "`LogitsDistillation` applies no softmax and no temperature "
            'factor with `loss="kl_divergence"`, its default: it compares '
            'logits as if they were probabilities. Use `distillation="soft"` '
            "or `LogitsDistillation(loss=keras.losses.KLDivergence())`."
        )


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
