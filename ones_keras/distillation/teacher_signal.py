"""The teacher's signal for a batch."""

import keras

from ones_keras.distillation.lesson import Lesson
from ones_keras.without_autograd import without_autograd


class TeacherSignal:
    """Runs a teacher on each batch and leaves no trace of it.

    The forward pass is in inference mode and outside any gradient: on
    PyTorch no autograd graph is recorded, on TensorFlow and JAX the caller
    stays outside the tape and the differentiated function. Every assignment
    the teacher makes (seeds, running statistics, metrics) and every
    `add_loss` ends in a scope that is thrown away, so the teacher needs no
    freezing and no restoring.

    It is a plain object on purpose: Keras and PyTorch track layers that are
    assigned to a model, and a tracked teacher would be counted, saved and
    donated with the student.

    Args:
        model: `keras.Model`. The teacher, built.
    """

    def __init__(self, model):
        self.model = model
        self._variables = model.variables

    @property
    def given(self):
        """What a `Distiller` was given as its teacher."""
        return self.model

    @property
    def state(self):
        """The values of the teacher's variables, a list of arrays."""
        return [variable.value for variable in self._variables]

    def lesson(self, x, y, state=None):
        """The labels of a batch, and the outputs."""
        return Lesson(y, self(x, state))

    def __call__(self, x, state=None):
        """Returns the teacher's outputs for `x`.

        Args:
            x: tensor or nested tensors. Inputs of the teacher.
            state: list of arrays. Values to run with in place of the
                variables' own, as in `state`: a compiled JAX function takes
                them as an argument, where it would otherwise bake the
                weights in as constants. Defaults to `None`.
        """
        mapping = state and zip(self._variables, state, strict=True)
        with keras.StatelessScope(mapping), without_autograd():
            return self.model(x, training=False)
