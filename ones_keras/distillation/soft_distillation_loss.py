"""Soft distillation, Eq. 15 of the paper."""

import math

import keras

from ones_keras.distillation.softened_divergence import softened_divergence


class SoftDistillationLoss(keras.losses.Loss):
    """Kullback-Leibler divergence between softened distributions.

    `T^2 * KL(softmax(teacher / T) || softmax(student / T))`, from logits and
    through log-softmax in float32 whatever the logits' dtypes. The paper
    writes the arguments student first; here the teacher is the target, as in
    Hinton et al. The factor `T^2` keeps the gradient's size independent of
    the temperature.

    The teacher is a constant: no gradient goes to its logits. Of many classes,
    as in a vocabulary, it works on some positions at a time, so that beside the
    gradient it needs little memory; on TensorFlow where their number is known
    as the graph is made (batches with `drop_remainder`), else on all at once.

    Being a `keras.losses.Loss`, it takes `sample_weight`, honours the Keras
    mask of the student's logits and reduces as every Keras loss does.

    Args:
        temperature: float. Softens both distributions; positive. Defaults
            to `1.0`.
        reduction: string. As in `keras.losses.Loss`. Defaults to
            `"sum_over_batch_size"`.
        name: string. Defaults to `"soft_distillation_loss"`.

    Example:

    ```python
    loss = SoftDistillationLoss(temperature=2.0)
    teacher_logits = keras.ops.array([[4.0, 0.0, -4.0]])
    student_logits = keras.ops.array([[1.0, 1.0, -1.0]])
    loss(teacher_logits, student_logits)
    ```

    References:
        - One Student Knows All Experts Know: From Sparse to Dense, Eq. 15.
        - [Distilling the Knowledge in a Neural
          Network](https://arxiv.org/abs/1503.02531), section 2.
    """

    def __init__(
        self,
        temperature=1.0,
        reduction="sum_over_batch_size",
        name="soft_distillation_loss",
    ):
        if not 0 < temperature < math.inf:
            raise ValueError(
                "`temperature` must be positive. Received: "
                f"`temperature={temperature}`."
            )
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.temperature = temperature

    def call(self, y_true, y_pred):
        """Returns one divergence a position, the shape without its classes."""
        return softened_divergence(y_true, y_pred, self.temperature)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
