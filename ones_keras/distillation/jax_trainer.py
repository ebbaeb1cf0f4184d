"""The distillation step as a function of its state."""

import jax.numpy as jnp


class JAXTrainer:
    """`train_step` and `test_step` on JAX.

    The teacher's values come in beside the batch, as an argument that Keras
    does not donate: they are neither constants of the compiled step nor part
    of the training state, and outlive it. The teacher runs before
    `jax.value_and_grad` is entered.
    """

    def make_train_function(self, force=False):
        self._unshare_buffers()
        if self.train_function is not None and not force:
            return
        super().make_train_function(force=force)
        train_function = self.train_function

        def train_function_with_teacher(state, iterator):
            teacher_state = self.teacher_signal.state
            batches = ((teacher_state, batch) for batch in iterator)
            return train_function(state, batches)

        self.train_function = train_function_with_teacher

    def _unshare_buffers(self):
        # `variable.assign(other.value)` makes two variables share a buffer,
        # and the donation of the student's would delete the teacher's.
        variables = self.teacher_signal.model.variables
        teachers = {id(variable.value) for variable in variables}
        for variable in self.variables:
            if id(variable.value) in teachers:
                variable.assign(jnp.copy(variable.value))

    def train_step(self, state, data):
        teacher_state, batch = data
        return super().train_step(
            state, self._with_lesson(batch, teacher_state)
        )

    def test_step(self, state, data):
        logs, state = super().test_step(state, data)
        return self._student_logs(logs), state
