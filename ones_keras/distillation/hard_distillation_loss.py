"""Hard distillation, Eq. 16 of the paper."""

import keras
from keras import ops


class HardDistillationLoss(keras.losses.Loss):
    """Cross-entropy of the student with the teacher's most likely class.

    `CE(student, argmax teacher)`, computed in float32. Being a
    `keras.losses.Loss`, it takes `sample_weight`, honours the Keras mask of
    the student's logits and reduces as every Keras loss does.

    Args:
        reduction: string. As in `keras.losses.Loss`. Defaults to
            `"sum_over_batch_size"`.
        name: string. Defaults to `"hard_distillation_loss"`.

    Example:

    ```python
    loss = HardDistillationLoss()
    teacher_logits = keras.ops.array([[4.0, 0.0, -4.0]])
    student_logits = keras.ops.array([[1.0, 1.0, -1.0]])
    loss(teacher_logits, student_logits)
    ```

    References:
        - One Student Knows All Experts Know: From Sparse to Dense, Eq. 16.
    """

    def __init__(
        self, reduction="sum_over_batch_size", name="hard_distillation_loss"
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true, y_pred):
        """Returns one entropy a position, the shape without its classes."""
        return keras.losses.sparse_categorical_crossentropy(
            ops.argmax(y_true, axis=-1), y_pred, from_logits=True
        )
