"""What a student learns from on one batch."""

from typing import Any, NamedTuple


class Lesson(NamedTuple):
    """Labels and the teacher's outputs, travelling together as `y`.

    Keras hands `y` from `train_step` to `compute_loss` and
    `compute_metrics` untouched on every backend, so the teacher's outputs
    ride along explicitly. An attribute set on the model would not do: under
    `MirroredStrategy` several replicas run the same step in threads.

    Args:
        labels: tensor or nested tensors. The `y` of the batch.
        teacher_outputs: tensor or nested tensors. The teacher's logits.
    """

    labels: Any
    teacher_outputs: Any
