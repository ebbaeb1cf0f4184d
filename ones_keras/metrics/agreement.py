"""How closely a student follows its teacher, apart from being right."""

import dataclasses

import numpy as np
from scipy import special

from ones_keras.data.input_batches import input_batches


@dataclasses.dataclass(frozen=True)
class TeacherAgreement:
    """What `teacher_agreement` found.

    Args:
        top_1: float. Share of the predictions in which both models put the
            same class first, in [0, 1].
        kl: float. Mean `KL(teacher || student)`, in nats.
        num_predictions: int. Over how many predictions the two were averaged.
    """

    top_1: float
    kl: float
    num_predictions: int

    def __str__(self):
        return f"top-1 {100 * self.top_1:.1f} %, KL {self.kl:.4f} nats"

    def to_dict(self):
        """Returns the fields as a dictionary that `json` can write."""
        return dataclasses.asdict(self)


def teacher_agreement(teacher, student, data, batch_size=128):
    """Compares a student's predictions with its teacher's.

    Accuracy alone does not show whether a student learned the function of its
    teacher or merely the task. The data is streamed: one batch of logits a
    model is held at a time. Every axis of the logits but the last counts as a
    prediction, so that sequence models are averaged over their positions.

    Args:
        teacher: `keras.Model`. Its output is one tensor of logits of shape
            `(batch_size, ..., num_classes)`; a model that ends in a softmax
            gives a wrong divergence.
        student: `keras.Model`. Of the same output shape.
        data: Array of inputs, dict of arrays, or an iterable of batches such
            as a finite `tf.data.Dataset`, whose elements are `x`, `(x, y)` or
            `(x, y, sample_weight)`; only `x` is used.
        batch_size: int. Batch size, where `data` is an array. Defaults to
            `128`.

    Returns:
        A `TeacherAgreement`.

    Raises:
        ValueError: If `data` is a tuple or empty or repeats for ever, or the
            two models disagree about the shape of the logits.

    Example:

    ```python
    inputs = keras.Input((4,))
    teacher = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    student = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    print(teacher_agreement(teacher, student, np.ones((10, 4), "float32")))
    ```
    """
    total = AgreementSum()
    for x in input_batches(data, batch_size):
        total.add(_logits(teacher, x), _logits(student, x))
    if total.count == 0:
        raise ValueError("`data` holds no example.")
    return total.result()


class AgreementSum:
    """Adds up a `TeacherAgreement` batch by batch."""

    def __init__(self):
        self.count = 0
        self._agreeing = 0
        self._divergence = 0.0

    def add(self, teacher_logits, student_logits):
        """Add logits of both models, float64 arrays of one shape."""
        if teacher_logits.shape != student_logits.shape:
            raise ValueError(
                "`teacher` and `student` must give logits of one shape. "
                f"Received: teacher logits of shape {teacher_logits.shape}, "
                f"student logits of shape {student_logits.shape}."
            )
        teacher_log = special.log_softmax(teacher_logits, axis=-1)
        student_log = special.log_softmax(student_logits, axis=-1)
        # A class that the teacher rules out, at a logit of -inf, adds nothing.
        possible = teacher_log > -np.inf
        self._divergence += np.sum(
            np.exp(teacher_log[possible])
            * (teacher_log[possible] - student_log[possible])
        )
        self._agreeing += np.sum(
            teacher_logits.argmax(axis=-1) == student_logits.argmax(axis=-1)
        )
        self.count += teacher_logits[..., 0].size

    def result(self):
        return TeacherAgreement(
            top_1=float(self._agreeing / self.count),
            kl=float(self._divergence / self.count),
            num_predictions=int(self.count),
        )


def _logits(model, x):
    # `predict_on_batch`, unlike a plain call, runs a KerasHub preprocessor.
    return np.asarray(model.predict_on_batch(x), "float64")
