"""The distillation step where variables are updated in place."""


class StatefulTrainer:
    """`train_step` and `test_step` on TensorFlow and PyTorch.

    The teacher runs before Keras' own step opens its tape (TensorFlow) or
    records its graph (PyTorch); that step does everything else.
    """

    def train_step(self, data):
        return super().train_step(self._with_lesson(data))

    def test_step(self, data):
        return self._student_logs(super().test_step(data))
