"""Knowledge distillation as a Keras model that trains another one."""

import contextlib

import keras
from keras import ops

from ones_keras.distillation.cached_signal import CachedSignal
from ones_keras.distillation.check_cache import check_cache
from ones_keras.distillation.check_distillation import check_distillation
from ones_keras.distillation.check_models import check_models
from ones_keras.distillation.distillation_term import DistillationTerm
from ones_keras.distillation.lesson import Lesson
from ones_keras.distillation.teacher_cache import TeacherCache
from ones_keras.distillation.teacher_signal import TeacherSignal
from ones_keras.distillation.top_logits import dense_logits

if keras.backend.backend() == "jax":
    from ones_keras.distillation.jax_trainer import JAXTrainer as Trainer
else:
    from ones_keras.distillation.stateful_trainer import (
        StatefulTrainer as Trainer,
    )


class Distiller(Trainer, keras.Model):
    """Trains a student on labels and on a frozen teacher's outputs.

    The loss is

    `alpha * main + (1 - alpha) * distill + sum(student.losses)`

    where `main` is the loss given to `compile()` and `distill` compares the
    student's logits with the teacher's. Both take `sample_weight`,
    `class_weight` and Keras masks, and both are reduced the same way, so
    padded or weighted-out positions train nothing. With several distilled
    outputs, `distill` is the sum over them.

    In all else a `Distiller` is the student: calling, `predict()`,
    `evaluate()`, `save()`, `save_weights()`, `load_weights()` and `export()`
    are the student's, as are the files a `ModelCheckpoint` writes. The
    teacher runs in `fit()` only, in inference mode and outside the gradient;
    nothing in it changes, it is in no checkpoint, and its `trainable` is
    never touched. Training reports `loss`, `main_loss`, `distill_loss` and
    the compiled metrics; evaluation what `student.evaluate()` would, and
    `main_loss`. A callback that monitors `val_main_loss` needs `mode="min"`.

    Args:
        teacher: `keras.Model` or `TeacherCache`. Returns logits. May differ
            from the student in dtype policy. Of a cache `fit` takes the
            `lessons`.
        student: `keras.Model`. Returns logits of the teacher's shape for
            inputs of the teacher's shape. Trained in place.
        alpha: float. Weight of the labels' loss, in `[0, 1]`; the teacher's
            is `1 - alpha`. Defaults to `0.25`.
        temperature: float. Divides the logits in soft distillation. Defaults
            to `1.0`.
        distillation: string or `keras.distillation.DistillationLoss`.
            `"soft"` is `SoftDistillationLoss`, `"hard"`
            `HardDistillationLoss`. A `DistillationLoss` receives the
            distilled outputs, and `sample_weight` if its `compute_loss` has
            an argument of that name; masks it handles itself. Defaults to
            `"soft"`.
        outputs: string or list of strings. The outputs to distil, in models
            with several: keys of a dict of outputs, or entries of
            `student.output_names`. Defaults to `None`, all of them.
        name: string. Defaults to `"distiller"`.

    Raises:
        ValueError: If a model is unbuilt, shapes differ, the models share
            variables, an output is not logits, or an option is out of range.

    Example:

    ```python
    def classifier(width):
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(width, activation="gelu"),
                keras.layers.Dense(3),
            ]
        )

    teacher, student = classifier(64), classifier(8)
    distiller = Distiller(teacher, student, alpha=0.25, temperature=2.0)
    distiller.compile(
        optimizer="adamw",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    distiller.fit(np.ones((32, 8)), np.zeros((32,), "int32"), epochs=2)
    student.save("student.keras")
    ```

    References:
        - One Student Knows All Experts Know: From Sparse to Dense, Eq. 15
          (soft), 16 (hard) and 17 (the weighted sum).
    """

    def __init__(
        self,
        teacher,
        student,
        alpha=0.25,
        temperature=1.0,
        distillation="soft",
        outputs=None,
        name="distiller",
    ):
        check_distillation(alpha, temperature, distillation)
        cache = teacher if isinstance(teacher, TeacherCache) else None
        if cache is not None:
            check_cache(cache, student, temperature, distillation, outputs)
            teacher = cache.teacher
        check_models(teacher, student)
        # The student's policy decides on loss scaling. Inputs are left alone,
        # since the student casts its own.
        super().__init__(name=name, dtype=student.dtype_policy, autocast=False)
        self.student = student
        self.alpha = alpha
        self._evaluating = False
        self._options = {
            "temperature": temperature,
            "distillation": distillation,
            "outputs": outputs,
        }
        if cache is not None:
            self.teacher_signal = CachedSignal(cache)
        else:
            self.teacher_signal = TeacherSignal(teacher)
        # By these Keras names losses and metrics; only functional models
        # have them.
        self.output_names = getattr(student, "output_names", None)
        self.distillation_term = DistillationTerm(
            distillation, temperature, outputs, self.output_names
        )
        self.distillation_term.check_models(teacher, student)
        self.supports_jit = cache is not None or all(
            layer.supports_jit for layer in teacher._flatten_layers()
        )
        self.main_loss_tracker = keras.metrics.Mean(name="main_loss")
        self.distill_loss_tracker = keras.metrics.Mean(name="distill_loss")
        self.built = True

    @property
    def teacher(self):
        """`keras.Model` or `TeacherCache`. The teacher, as it was given."""
        return self.teacher_signal.given

    def __dir__(self):
        # Keras' saving walks `dir()`: the teacher is not to be found there.
        return [name for name in super().__dir__() if name != "teacher"]

    def remade(self, teacher, student):
        """Returns the same distillation of other models.

        Such as copies of these on several devices.

        Args:
            teacher: `keras.Model` or `TeacherCache`.
            student: `keras.Model`.

        Returns:
            A `Distiller` that is not compiled.
        """
        return Distiller(teacher, student, self.alpha, **self._options)

    def call(self, inputs, training=None):
        return self.student(inputs, training=training)

    def compile(self, optimizer="adamw", loss=None, **kwargs):
        """Configures the student's training, as `keras.Model.compile`.

        Args:
            optimizer: string or `keras.Optimizer`. Defaults to `"adamw"`.
            loss: string, `keras.losses.Loss`, or nested losses. The labels'
                loss. A cross-entropy must have `from_logits=True`.
            **kwargs: The other arguments of `keras.Model.compile`.

        Raises:
            ValueError: If there is no loss, or it expects probabilities.
        """
        if loss is None:
            raise ValueError(
                "`compile()` needs the labels' loss. Received: `loss=None`."
            )
        self.distillation_term.check_loss(
            self.teacher_signal.model, self.student, loss
        )
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the total loss: the teacher counts where `y` is a `Lesson`.

        `train_step` makes it one; in evaluation `y` is the labels, and the
        total is the student's own.
        """
        lesson = y if isinstance(y, Lesson) else None
        labels = lesson.labels if lesson else y
        total = self._compile_loss(labels, y_pred, sample_weight)
        self._track(self.main_loss_tracker, total, x)
        if lesson:
            distill = self.distillation_term(
                dense_logits(lesson.teacher_outputs, y_pred),
                y_pred,
                sample_weight,
                self.loss,
            )
            self._track(self.distill_loss_tracker, distill, x)
            total = self.alpha * total + (1.0 - self.alpha) * distill
        for loss in self.losses:
            total = ops.add(total, self._aggregate_additional_loss(loss))
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        labels = y.labels if isinstance(y, Lesson) else y
        return super().compute_metrics(x, labels, y_pred, sample_weight)

    def fit(self, *args, **kwargs):
        """Trains the student, as `keras.Model.fit`."""
        cached = isinstance(self.teacher, TeacherCache)
        if cached and kwargs.get("class_weight") is not None:
            raise ValueError(
                "The batches of a `TeacherCache` have weights of their own: "
                "give the data that it is made of a `sample_weight`. Received: "
                f"`class_weight={kwargs['class_weight']}`."
            )
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Evaluates the student, as `student.evaluate`."""
        self._evaluating = True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._evaluating = False

    def get_metrics_result(self):
        # Keras prefers this to what the last step has returned, which of
        # several replicas is a mean of theirs, where the names are the same.
        logs = super().get_metrics_result()
        return self._student_logs(logs) if self._evaluating else logs

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Saves the student, as `student.save`."""
        self.student.save(filepath, overwrite, zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Saves the weights of the student and the state of the optimizer.

        The file is the one that a student compiled and fitted on its own
        would write: `student.load_weights` takes it.
        """
        with self._optimizer_on_student():
            self.student.save_weights(filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Loads what `save_weights` wrote."""
        with self._optimizer_on_student():
            self.student.load_weights(filepath, skip_mismatch, **kwargs)

    def export(self, filepath, *args, **kwargs):
        """Exports the student, as `student.export`."""
        return self.student.export(filepath, *args, **kwargs)

    def get_config(self):
        raise NotImplementedError(
            "A `Distiller` is not saved, for its teacher is not: save its "
            "student and make a new `Distiller` of the two."
        )

    @contextlib.contextmanager
    def _optimizer_on_student(self):
        if not self.compiled:
            yield
            return
        had_one = hasattr(self.student, "optimizer")
        own = getattr(self.student, "optimizer", None)
        self.student.optimizer = self.optimizer
        try:
            yield
        finally:
            if had_one:
                self.student.optimizer = own
            else:
                del self.student.optimizer

    def _with_lesson(self, data, teacher_state=None):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return x, self.teacher_signal.lesson(x, y, teacher_state), sample_weight

    def _student_logs(self, logs):
        return {k: v for k, v in logs.items() if k != "distill_loss"}

    def _track(self, tracker, loss, x):
        # Keras' losses come divided by the number of replicas.
        strategy = getattr(self, "distribute_strategy", None)
        if strategy is not None and strategy.num_replicas_in_sync > 1:
            loss = loss * strategy.num_replicas_in_sync
        inputs = next(i for i in keras.tree.flatten(x) if i is not None)
        tracker.update_state(loss, sample_weight=ops.shape(inputs)[0])
